"""The pixel loop of Push-T in miniature, with pictures of 16 px: it runs to a report, and a kill changes nothing."""

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from diorama.core.canonical import to_json
from diorama.data import Dataset
from diorama.learn import FirstOrderConfig, FitConfig
from diorama.models import DiffusionConfig
from diorama.models.rssm.config import RSSMConfig
from diorama.policies import ActorConfig
from diorama.policies.latent import LatentPolicy
from diorama.recipes.book import Book, Places
from diorama.recipes.config import PolicyConfig, WorldConfig
from diorama.recipes.coupled_config import CoupledConfig
from diorama.recipes.making import journalled
from diorama.recipes.recorded import recorded_run, run_settings
from diorama.recipes.registering import Sources
from diorama.recipes.run_folder import RunFolder
from diorama.registry.registry import Registry

pytest.importorskip("gym_pusht")

from diorama.envs.pusht.coverage import REWARD_COVERAGE
from diorama.recipes import loop, pairs, push_t, push_t_pixels, push_t_task
from diorama.recipes.latent_policies import load as load_policy
from diorama.recipes.push_t_reward import rewards
from diorama.recipes.tasks import find_task
from diorama.studio import push_t_report

pytestmark = pytest.mark.slow  # three learners are compiled
SIDE, LENGTH, NAME = 16, 8, "push-t-pixels"
FIT = FitConfig(updates=4, batch=4, chunk=2, held_out=4)
CONFIG = CoupledConfig(
    task=NAME,
    size="nano",
    seed=3,
    play=("play", 6),
    world=WorldConfig(
        DiffusionConfig("nano", "patches", 2, steps=1, patch=8, changes=True), FIT, ("pixels",), 2, 0.34, 3, 3
    ),
    local=WorldConfig(RSSMConfig("nano"), FIT, ("pixels",), 2, 0.34, 3, 3),
    policy=PolicyConfig(
        ActorConfig("nano"), FirstOrderConfig(updates=4, worlds=4, horizon=2, chunk=2, critic_steps=1), 3
    ),
    patches=1,
    patch_episodes=8,
    episodes=4,
    refit=1.0,  # one program serves both rounds
    ends=False,
)


class KilledError(Exception):
    """Stands for a power cut."""


@pytest.fixture(scope="module", autouse=True)
def miniature() -> Iterator[None]:
    """Small pictures, short episodes, no expert that plans, few stretches to begin after, few published seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(push_t_task.PIXELS, NAME, SIDE)
        task = push_t_task.push_t_pixels()
        actors = {"play": task.actors["play"], "demonstrations": task.actors["play"]}
        short = dataclasses.replace(task, length=LENGTH, actors=actors)
        patch.setattr(push_t_pixels, "push_t_pixels", lambda name: short)
        patch.setattr(push_t, "PUBLISHED", range(100_000, 100_004))
        patch.setattr(pairs, "STARTS", 16)
        patch.setattr(loop, "_EXAMINED", 16)
        patch.setattr(push_t_report, "_SHOWN_STEPS", (0, 2, 4))
        yield


def go(out: Path, stage=lambda *told: None, watch=lambda report: None, registry: Path | None = None) -> None:
    sources = Sources(NAME, recorded_run(CONFIG), task=NAME, seeds=(CONFIG.seed,))
    opened = Book(Registry.open(registry), Places(registry)) if registry else contextlib.nullcontext()
    with opened as book, RunFolder(out, to_json(CONFIG)) as run, journalled(book, run, lambda _: sources):
        push_t_pixels.run_push_t_pixels(CONFIG, run, stage, watch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The run folder of a whole loop."""
    out = tmp_path_factory.mktemp("loop") / "run"
    go(out, registry=out.parent / "registry")
    return out


@pytest.fixture(scope="module")
def reported(finished) -> str:
    """The text of its report."""
    with RunFolder(finished, to_json(CONFIG)) as run:
        push_t_report.write_push_t_report(run, CONFIG)
    return (finished / "report.md").read_text()


def test_the_policy_sees_pictures_alone_through_the_local_model_of_its_round(finished) -> None:
    local = (finished / "local" / "weights.safetensors").stat().st_size
    for name in ("policy-0", "policy"):
        policy = load_policy(finished / name)
        assert isinstance(policy, LatentPolicy) and set(policy.model.spec.observation) == {"pixels"}
        assert (finished / name / "weights.safetensors").stat().st_size > local
    kinds = json.loads((finished / "policy" / "artifact.json").read_text())
    assert kinds["kind"] == "latent" and kinds["spec"]["observation"]["pixels"]["shape"] == [SIDE, SIDE, 3]


def test_it_acts_in_reality_before_the_last_round_and_in_the_test(finished) -> None:
    data = Dataset.open(finished / "data")
    operators = [identity.ids["operator"] for identity in data.identities]
    assert operators == ["play"] * 6 + ["policy 0"] * 4 + ["policy 0, exploring"] * 4
    record = json.loads((finished / "evaluation.json").read_text())
    *paired, published = record["policies"]
    names = ["trained in imagination", "random", "scripted play (the data)", "scripted expert"]
    assert [row["policy"] for row in paired] == names and published["seeds"] == [*range(100_000, 100_004)]
    assert all(row["seeds"] == [*range(200_000, 200_004)] for row in paired)
    assert len(record["rounds"]) == 2 and len(record["rounds"][0]["estimates"]) == 3


def test_the_labels_are_dense_and_the_scores_are_not(finished) -> None:
    data = Dataset.open(finished / "data")
    labels, features = data.column("next.reward"), data.column("observation.features")
    first = slice(int(data.starts[0]), int(data.starts[0] + data.lengths[0]) - 1)
    wanted = np.asarray(rewards(features[first.start + 1 : first.stop + 1]))
    np.testing.assert_allclose(labels[first], wanted, rtol=1e-5)
    assert labels.min() < 0 and REWARD_COVERAGE < 1
    # Coverage of the same task, which tests are scored by, does not read the label.
    task, blind = find_task(NAME), find_task("push-t")
    assert task.metrics == blind.metrics and task.headline == blind.headline


def test_labels_do_not_depend_on_how_many_worlds_run() -> None:
    rows = np.random.default_rng(0).uniform(0, 1, (20, 5)) * (512, 512, 512, 512, 6.28)
    env = find_task(NAME).env()
    some, all_rows = (env.reset_to(rows[:count], env.spec.scenario.default()) for count in (3, 20))
    labels = [env.reward(state, np.zeros((len(state.agent_xy), 2)), state) for state in (some, all_rows)]
    np.testing.assert_array_equal(labels[0], labels[1][:3])


def test_a_loop_that_was_killed_inside_training_ends_the_same(finished, tmp_path) -> None:
    """Other moments are those of `test_push_t_loop`; here beliefs, and a policy that holds a model, go on.

    It begins in a copy of the finished run that forgot all since its last training began.
    """
    out = tmp_path / "run"
    shutil.copytree(finished, out, ignore=shutil.ignore_patterns("policy", "evaluation.json", "figures", "report.*"))
    shutil.rmtree(out / "checkpoints" / "train")
    stages = json.loads((out / "stages.json").read_text())
    kept = {name: note for name, note in stages.items() if name not in ("train", "evaluate", "films")}
    (out / "stages.json").write_text(json.dumps(kept))

    def watch(report) -> None:
        assert report.stage == "train", "only what was forgotten is done again"
        if report.step == 2:
            raise KilledError

    with pytest.raises(KilledError):
        go(out, watch=watch)
    assert not (out / "policy").exists()
    went_on = []
    go(out, watch=lambda report: went_on.append(report.step))
    assert went_on == [4]
    for file in ("artifact.json", "weights.safetensors"):
        assert (out / "policy" / file).read_bytes() == (finished / "policy" / file).read_bytes(), file
    assert (out / "evaluation.json").read_bytes() == (finished / "evaluation.json").read_bytes()


def test_the_report_says_what_this_is(finished, reported) -> None:
    assert "see small pictures and nothing else" in reported
    assert "a learned head of the global world" in reported and "analytic" not in reported
    assert "diorama run push-t-pixels --size nano --seed 3" in reported
    made = {path.name for path in (finished / "figures").iterdir()}
    assert {"real_beside_imagined.gif", "policy_in_reality.gif", "real_and_imagined.png"} <= made


def test_the_run_is_registered_as_made_in_both_worlds(finished) -> None:
    made = json.loads((finished / "versions.json").read_text())
    with Registry.open(finished.parent / "registry") as registry:
        edges = {(edge.role, edge.target) for edge in registry.get(made["policy"]).edges}
    assert ("trained_in", made["world"]) in edges and ("trained_in", made["local"]) in edges
    assert ("initialised_from", made["policy-0"]) in edges


def test_a_run_is_recorded_with_all_its_settings() -> None:
    assert run_settings(json.loads(json.dumps(recorded_run(CONFIG)))) == CONFIG


@pytest.mark.parametrize("size", ["nano", "xs", "s", "m", "l"])
def test_presets_are_larger_in_pictures_data_and_samples(size) -> None:
    config = push_t_pixels.push_t_pixels_config(size, 1)
    assert config.size == size and config.task in push_t_task.PIXELS
    sides = {"nano": 32, "xs": 32, "s": 32, "m": 64, "l": 96}
    assert {"push-t-pixels": 32, "push-t-pixels-64": 64, "push-t-pixels-96": 96}[config.task] == sides[size]
    assert config.world.observations == config.local.observations == ("pixels",)
    if size in ("nano", "xs", "s", "m"):
        assert (config.play[1] + config.patches * config.patch_episodes) * 150 <= 72_000
