"""What each model takes of a dataset, and what the presets make of it."""

from dataclasses import replace
from typing import get_args

import pytest

from diorama.core import ArraySpec, EnvSpec
from diorama.core.canonical import from_json, to_json
from diorama.core.errors import ConfigError, SpecError
from diorama.models import BUILDERS, DiffusionConfig, EnsembleConfig, RSSMConfig
from diorama.models.diffusion.config import PICTURE_NETWORKS, STATE_NETWORKS
from diorama.recipes import requests
from diorama.recipes.config import WorldConfig
from diorama.recipes.matching import check_visible
from diorama.recipes.modelling import PICTURE_MEMORY, affordable, modelled
from diorama.recipes.presets import FIT_UPDATES, HABITS, PICTURE_HABITS, PUSH_T, world_config

PICTURE = ArraySpec((96, 96, 3), low=0.0, high=255.0, dtype="uint8")
ARM = EnvSpec(
    "arm",
    {"joint": ArraySpec((3,), "rad"), "left": PICTURE, "right": PICTURE, "gear": ArraySpec((1,), dtype="int64")},
    ArraySpec((2,), "N m", -1.0, 1.0),
    0.1,
)
BLIND = replace(ARM, observation={"joint": ARM.observation["joint"]})
SEEING = replace(ARM, observation={"left": PICTURE, "right": PICTURE})


@pytest.mark.parametrize(
    ("spec", "names", "model", "chosen"),
    [
        (ARM, (), EnsembleConfig(), ["joint"]),
        (ARM, (), RSSMConfig(), ["joint"]),
        (ARM, (), DiffusionConfig(), ["joint"]),
        (ARM, (), DiffusionConfig(network="unet"), ["left", "right"]),
        (SEEING, (), DiffusionConfig(), ["left", "right"]),
        (SEEING, (), RSSMConfig(), ["left", "right"]),
        (ARM, ("left", "joint"), RSSMConfig(), ["left", "joint"]),
        (ARM, ("right",), DiffusionConfig(network="patches"), ["right"]),
        (ARM, ("joint",), DiffusionConfig(network="transformer"), ["joint"]),
    ],
)
def test_what_is_modelled(spec, names, model, chosen) -> None:
    assert list(modelled(spec, names, model).observation) == chosen


@pytest.mark.parametrize(
    ("spec", "names", "model", "sentence"),
    [
        (ARM, ("pose",), RSSMConfig(), r"no observations \['pose'\]; it has \['gear', 'joint', 'left', 'right'\]"),
        (SEEING, (), EnsembleConfig(), r"None of \['left', 'right'\] is a vector .* an rssm and a diffusion model can"),
        (
            ARM,
            ("joint", "left"),
            EnsembleConfig(),
            r"takes vectors, and \['left'\] are pictures; leave them out, or fit",
        ),
        (
            ARM,
            ("joint", "left"),
            DiffusionConfig(),
            r"vectors or pictures; name \['joint'\] or \['left'\] alone, or fit",
        ),
        (ARM, ("left",), DiffusionConfig(network="mlp"), r"'mlp' cannot model \['left'\]; choose one of \['unet'"),
        (ARM, ("joint",), DiffusionConfig(network="unet"), r"'unet' cannot model \['joint'\]; choose one of \['mlp'"),
        (BLIND, (), DiffusionConfig(network="unet"), r"None of \['joint'\] is a picture .* 'unet' needs one"),
        (ARM, ("gear",), RSSMConfig(), r"\['gear'\] are neither floating point nor pictures"),
    ],
)
def test_what_a_model_does_not_take_is_refused(spec, names, model, sentence) -> None:
    with pytest.raises(ConfigError, match=sentence):
        modelled(spec, names, model)


def test_the_command_line_knows_every_model_and_network() -> None:
    assert sorted(get_args(requests.Model)) == sorted({*BUILDERS, "hybrid"}) == sorted(HABITS)
    assert set(get_args(requests.Network)) == {*STATE_NETWORKS, *PICTURE_NETWORKS}
    assert set(PICTURE_HABITS) == set(HABITS) - {"ensemble", "hybrid"}


@pytest.mark.parametrize("model", sorted(BUILDERS))
def test_every_model_has_a_preset_of_every_size(model) -> None:
    configs = {size: world_config(size, 1, model=model) for size in FIT_UPDATES}
    assert all(type(config.model) is BUILDERS[model].config for config in configs.values())
    assert all(config.model.size == size and config.fit.seed == 1 for size, config in configs.items())
    rates = [config.fit.learning_rate for config in configs.values()]
    assert rates == sorted(rates, reverse=True)
    assert all(from_json(WorldConfig, to_json(config)) == config for config in configs.values())
    assert (configs["s"].fit.average > 0) == (model == "diffusion")


def test_structure_counts_where_it_can_be_seen() -> None:
    known = {model: world_config("nano", 0, structure=PUSH_T, model=model) for model in BUILDERS}
    assert all(config.observations == ("features",) for config in known.values())
    assert known["ensemble"].model.frame == known["diffusion"].model.frame == PUSH_T.body
    assert known["ensemble"].window == 1 and known["diffusion"].window >= known["diffusion"].model.context
    painted = world_config("nano", 0, structure=PUSH_T, model="diffusion", network="patches")
    assert painted.model.frame is None and painted.observations == ()
    other = world_config("nano", 0, ("state",), structure=PUSH_T, model="diffusion", window=7)
    assert other.model.frame is None and other.observations == ("state",) and other.window == 7


@pytest.mark.parametrize("model", sorted(PICTURE_HABITS))
def test_pictures_are_drawn_a_few_at_a_time(model) -> None:
    config = world_config("s", 0, model=model, spec=SEEING)
    row = 2 * 96 * 96 * 3
    assert config.fit.chunk * config.fit.batch * (config.window + 1) * row <= PICTURE_MEMORY
    assert config.fit.batch == PICTURE_HABITS[model].batch and config.fit.chunk >= 1
    assert world_config("s", 0, model=model, spec=BLIND).fit.batch == HABITS[model].batch
    assert affordable(BLIND, config.window, 8192) == 8192
    count = affordable(SEEING, config.window, 8192)
    assert count * (config.window + 1) * row <= PICTURE_MEMORY < (count + 1) * (config.window + 1) * row


def test_a_model_or_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'gru' is unknown; choose one of .*'hybrid', 'rssm'\]"):
        world_config("s", 0, model="gru")
    with pytest.raises(ConfigError, match="leave 'mlp' out or fit a diffusion model"):
        world_config("s", 0, model="rssm", network="mlp")


def test_an_actor_sees_no_pictures() -> None:
    check_visible(BLIND)
    with pytest.raises(SpecError, match=r"sees vectors, and 'arm' shows the pictures \['left', 'right'\]; fit a world"):
        check_visible(ARM)


def test_a_hybrid_is_a_choice_where_there_is_a_physics() -> None:
    from diorama.envs.pusht import PushT, Relative
    from diorama.recipes.any_model import build, kind_of
    from diorama.recipes.presets import PUSH_T, world_config

    spec = PushT(Relative(), ("features",)).spec
    config = world_config("nano", 0, structure=PUSH_T, model="hybrid", spec=spec)
    assert kind_of(config.model) == "residual" and config.window == 1
    assert type(build(config.model, spec, 0)).__name__ == "Residual"
    with pytest.raises(ConfigError, match="A hybrid needs a physics"):
        world_config("nano", 0, model="hybrid")
