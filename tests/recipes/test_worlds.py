"""Worlds by name: each is found, all start where reality starts, and one rule scores them all."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import SpecError
from diorama.core.errors import ConfigError
from diorama.core.module import tree_at
from diorama.envs.pusht import PushT, Relative
from diorama.envs.pusht.scripted import ScriptedPlay
from diorama.evaluate import evaluate, run_episodes
from diorama.models import EnsembleConfig, build, save
from diorama.policies import Constant
from diorama.recipes.book import open_book
from diorama.recipes.presets import PUSH_T
from diorama.recipes.push_t_hybrid import hybrid, hybrid_config, save_hybrid
from diorama.recipes.tasks import find_task
from diorama.recipes.where import Where
from diorama.recipes.worlds import describe, find_world, save_physics

SEEDS = np.arange(400_000, 400_003)
SPEC = PushT(Relative(), ("features",)).spec


@pytest.fixture(scope="module")
def task():
    return find_task("push-t")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    """An ensemble and a hybrid that nobody fitted, and a quasi-static world with parameters of its own."""
    place = tmp_path_factory.mktemp("worlds")
    config = EnsembleConfig("nano", PUSH_T.body)
    save(place / "learned" / "world", build(config, SPEC, 0), config)
    save_hybrid(place / "hybrid" / "world", hybrid(hybrid_config("nano"), SPEC), hybrid_config("nano"))
    found = {"lever": 1.9, "centre": 1.5, "yielding": 0.8, "grip": 0.1}
    save_physics(place / "calibrated", "push-t-quasistatic", found)
    return {path.name: str(path) for path in sorted(place.iterdir())}


def test_every_world_starts_where_reality_starts(task, folders) -> None:
    starts = {}
    for name in ("push-t", "push-t-quasistatic", "push-t-mujoco", *folders.values()):
        env = find_world(task, name).env
        scenario = task.env().spec.scenario.fix(block_low=(200.0, 200.0))
        whole = {key: np.broadcast_to(value, (3, *value.shape)) for key, value in scenario.items()}
        starts[name] = env.observe(env.reset(SEEDS, whole))["features"]
    for name, shown in starts.items():
        np.testing.assert_allclose(shown, starts["push-t"], atol=0.02, err_msg=name)


def test_worlds_know_what_they_are(task, folders) -> None:
    known = {name: find_world(task, place) for name, place in folders.items()}
    assert {name: (world.kind, world.family) for name, world in known.items()} == {
        "learned": ("learned", "learned/ensemble"),
        "hybrid": ("hybrid", "learned/residual"),
        "calibrated": ("physics", "physics/quasi-static"),
    }
    assert known["learned"].imagined and known["hybrid"].imagined and not known["calibrated"].imagined
    assert "friction" in known["learned"].ignores and "block_low" not in known["learned"].ignores
    assert find_world("push-t", "reality").kind == "real" and describe(known["hybrid"])["kind"] == "hybrid"


def test_one_rule_scores_what_is_imagined(task, folders) -> None:
    """A hybrid that nobody fitted is its physics: scores, ends and rewards agree with the physics as a host."""
    play = ScriptedPlay()
    told = [
        evaluate(play, find_world(task, name).env, seeds=SEEDS, length=12, metrics=task.metrics)
        for name in ("push-t-quasistatic", folders["hybrid"])
    ]
    (exact, shown), (imagined, dreamt) = told
    np.testing.assert_allclose(dreamt.observation["features"], shown.observation["features"], atol=1.0)
    np.testing.assert_allclose(dreamt.reward, shown.reward, atol=0.02)
    np.testing.assert_array_equal(dreamt.end, shown.end)
    for metric, values in exact.scores.items():
        np.testing.assert_allclose(imagined.scores[metric].astype(float), values.astype(float), atol=0.02)


def test_an_imagined_episode_depends_on_its_seed_alone(task, folders) -> None:
    env = find_world(task, folders["learned"]).env
    three = run_episodes(env, ScriptedPlay(), SEEDS, 4)
    one = run_episodes(env, ScriptedPlay(), SEEDS[1:2], 4)
    np.testing.assert_allclose(three.observation["features"][1], one.observation["features"][0], rtol=1e-4, atol=1e-3)


def test_a_world_that_breaks_down_ends_and_shows_no_nonsense(task, folders) -> None:
    world = find_world(task, folders["learned"])
    world.env.model = tree_at(lambda model: model.change.mean, world.env.model, jnp.full(8, jnp.nan))
    run = run_episodes(world.env, Constant(jnp.zeros(2)), SEEDS, 3)
    assert run.end[:, 0].all() and np.isfinite(run.observation["features"]).all()


def test_a_world_of_the_registry(task, folders, tmp_path) -> None:
    with open_book(Where(str(tmp_path / "registry"))) as book:
        kept = find_world(task, folders["learned"], book=book)
        again = find_world(task, kept.version, book=book)
        physics = find_world(task, folders["calibrated"], book=book)
        named = find_world(task, physics.version, book=book)
        assert again.version == kept.version and named.version == physics.version != kept.version
        assert find_world(task, find_world(task, "push-t", book=book).version, book=book).kind == "real"
        np.testing.assert_allclose(named.env._world.parameters.numbers()["lever"], 1.9, rtol=1e-6)
        with pytest.raises(ConfigError, match="No world is called 'elsewhere'"):
            find_world(task, "elsewhere", book=book)


def test_what_is_no_world_of_the_task_is_refused(task, folders, tmp_path) -> None:
    with pytest.raises(ConfigError, match="push-t-mujoco, push-t-quasistatic"):
        find_world(task, "push-t-mujuco")
    with pytest.raises(ConfigError, match="holds no world"):
        find_world(task, str(tmp_path))
    (tmp_path / "physics.json").write_text(json.dumps({"world": "rope", "parameters": {}}))
    with pytest.raises(ConfigError, match="calibrates 'rope'"):
        find_world(task, str(tmp_path))
    other = dataclasses.replace(SPEC, control_period=0.1)
    config = EnsembleConfig("nano")
    save(tmp_path / "fast" / "world", build(config, other, 0), config)
    with pytest.raises(SpecError, match="a step lasts 0.1 s"):
        find_world(task, str(tmp_path / "fast"))
