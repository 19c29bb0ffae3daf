"""Policies trained in rope tasks: what a twin world shows and derives, when it ends, and that no work is done twice."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.envs.rope.execution import Readable
from diorama.envs.rope.tasks import TRAINING, make_task
from diorama.envs.teaching import BallWall
from diorama.imagine import Through, rollout
from diorama.imagine.scripted import Scripted

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "rope_policies"
MODULES = ("run", "learners", "training_worlds")


@pytest.fixture(scope="module")
def bench() -> Iterator[dict]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield {name: __import__(name) for name in MODULES}
        for name in MODULES:
            del sys.modules[name]


def elastic(state: object) -> object:
    """A wall that gives back all speed."""
    return dataclasses.replace(state, restitution=jnp.ones(()))


def test_a_twin_has_the_values_of_its_world_and_the_derivatives_of_the_gentler_one(bench: dict) -> None:
    world, key, kicks = BallWall(), jax.random.key(0), jnp.ones((14, 1))
    twin = bench["training_worlds"].Twin(world, elastic)
    start = world.reset(world.spec.scenario.default(), key)

    def walked(env: object, start: object, kicks: jax.Array) -> tuple:
        seen = rollout(env, Scripted(kicks), start, length=len(kicks), key=key, gradient=Through())
        return seen.reward.sum(), seen

    both = jax.value_and_grad(walked, argnums=2, has_aux=True)
    begun = bench["training_worlds"].Pair(start, elastic(start))
    (_, seen), slope = both(twin, begun, kicks)
    (_, real), real_slope = both(world, start, kicks)
    (_, gentle), gentle_slope = both(world, elastic(start), kicks)
    np.testing.assert_array_equal(seen.observation["state"], real.observation["state"])
    np.testing.assert_array_equal(seen.reward, real.reward)
    assert np.abs(seen.reward - gentle.reward).max() > 0.01, "the ball is to meet the wall"
    np.testing.assert_allclose(slope, gentle_slope, rtol=1e-5)
    assert np.abs(slope - real_slope).max() > 0.01


def test_a_task_ends_when_its_time_is_up_and_shows_what_is_asked_for(bench: dict) -> None:
    task = make_task("slingshot", Readable())
    world = bench["training_worlds"].Timed(task, ("goal", "time"))
    state = jax.jit(task.reset)(task.spec.scenario.default(), jax.random.key(TRAINING[0]))
    late = dataclasses.replace(state, clock=jnp.asarray(float(task.task.config.decisions)))
    assert not world.terminal(state) and world.terminal(late) and not task.terminal(late)
    assert list(world.spec.observation) == list(world.observe(state)) == ["goal", "time"]
    gentle = bench["training_worlds"].Gentle(4.0, 5.0)(state).scene.around
    around = state.scene.around
    assert gentle.contact.smoothing == 4.0 * around.contact.smoothing and gentle.drag == 5.0 * around.drag
    assert gentle.contact.stiffness == around.contact.stiffness


def test_what_is_done_is_not_done_again_and_stands_in_the_table(
    bench: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, asked = bench["run"], []

    def made(task: object, method: str, *rest: object) -> dict:
        asked.append((task.task.name, method))
        return {"success": [True, False], "left": [0.1, 0.3], "episodes": 160, "seed": 0, "cpu_s": 1.0}

    monkeypatch.setattr(run, "made", made)
    for methods in (["ppo"], ["ppo", "hold still"]):
        run.work(tmp_path, "test", ["coiling", "lifting"], methods, 0)
    assert asked == [("coiling", "ppo"), ("lifting", "ppo"), ("coiling", "hold still"), ("lifting", "hold still")]
    rows = run.table(tmp_path, "test").splitlines()[2:]
    assert [row.split(" | ")[0:2] for row in rows] == [
        ["| coiling", "hold still"],
        ["| coiling", "ppo"],
        ["| lifting", "hold still"],
        ["| lifting", "ppo"],
    ]
    assert "0.50 [0.09, 0.91]" in rows[0]
    assert "0.200 [" in rows[0]
