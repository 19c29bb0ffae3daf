"""What was made for one world is refused in another, and every mismatch is named."""

from dataclasses import replace

import pytest

from diorama.core import ArraySpec, EnvSpec
from diorama.core.errors import ConfigError, SpecError
from diorama.recipes.loop import imagined_from, modelled
from diorama.recipes.matching import check_match, spec_of

SPEC = EnvSpec("arm", {"joint": ArraySpec((3,), "rad")}, ArraySpec((2,), "N m", -1.0, 1.0), 0.1)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (replace(SPEC, observation={"pose": ArraySpec((3,))}), r"observation 'joint' is not among \['pose'\]"),
        (replace(SPEC, observation={"joint": ArraySpec((4,), "rad")}), r"'joint' has shape \(3,\), not \(4,\)"),
        (replace(SPEC, observation={"joint": ArraySpec((3,), "deg")}), "'joint' is in rad, not deg"),
        (replace(SPEC, action=ArraySpec((1,), "N m", -1.0, 1.0)), r"the action has shape \(2,\), not \(1,\)"),
        (replace(SPEC, action=ArraySpec((2,), "N m", -0.5, 1.0)), "bounds .* leave"),
        (replace(SPEC, control_period=0.05), "a step lasts 0.1 s, not 0.05 s"),
    ],
)
def test_every_mismatch_is_named(given, fault) -> None:
    with pytest.raises(SpecError, match=rf"The policy was made for 'arm'.*{fault}"):
        check_match("The policy", SPEC, given)


def test_what_does_not_disturb_is_accepted() -> None:
    more = {"joint": ArraySpec((3,), "1"), "camera": ArraySpec((8, 8, 3), dtype="uint8")}
    wider = ArraySpec((2,), "N m", -2.0, 2.0)
    check_match("The policy", SPEC, replace(SPEC, name="other", observation=more, action=wider))


def test_a_world_needs_the_observations_of_its_own_dataset(dataset) -> None:
    from diorama.models import EnsembleConfig, build

    spec = dataset.spec()
    world, observation = imagined_from(build(EnsembleConfig("nano"), modelled(spec, ("velocity",)), 0), dataset)
    assert set(observation) == {"velocity"} and world.spec.observation.keys() == {"velocity"}
    other = replace(spec, observation={"position": ArraySpec((5,))})
    with pytest.raises(SpecError, match=r"The world was made for .*'position' has shape \(5,\), not \(2,\)"):
        imagined_from(build(EnsembleConfig("nano"), other, 0), dataset)


def test_the_spec_of_an_artifact_comes_back(tmp_path) -> None:
    from diorama.policies import ActorConfig, build, save

    config = ActorConfig("nano")
    save(tmp_path, build(config, SPEC, 0), config, SPEC)
    assert spec_of(tmp_path) == SPEC


def test_the_ensemble_needs_a_vector() -> None:
    seen = replace(SPEC, observation={"camera": ArraySpec((8, 8, 3), dtype="uint8", low=0.0, high=255.0)})
    with pytest.raises(ConfigError, match=r"None of \['camera'\] is a vector"):
        modelled(seen, ())
    with pytest.raises(ConfigError, match=r"no observations \['pose'\]; it has \['joint'\]"):
        modelled(SPEC, ("pose",))
