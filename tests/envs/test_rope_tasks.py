"""Rope tasks: the solution by hand succeeds, holding still does not, and nothing is left to chance but the key."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import Trajectory, filter_jit
from diorama.core.errors import ConfigError, SpecError
from diorama.envs import ENVIRONMENTS, check_env, make
from diorama.envs.rope.plasticity import Plasticity
from diorama.envs.rope.tasks import (
    HELD_OUT,
    TASKS,
    TRAINING,
    ByHand,
    RopeTask,
    TaskConfig,
    make_task,
    scripted,
    succeeded,
)
from diorama.envs.rope.tasks.drawing import Camera, render
from diorama.envs.rope.tasks.geometry import crossings, swept
from diorama.envs.rope.tasks.letter import Letter
from diorama.envs.rope.tasks.world import TaskState
from diorama.imagine import rollout
from diorama.imagine.scripted import Scripted

pytest.importorskip("numba")
SEED = TRAINING[0]


@filter_jit
def tried(world: RopeTask, seed: jax.Array, share: jax.Array) -> Trajectory:
    """An episode by hand, at this share of its speed."""
    key, length = jax.random.key(seed), world.task.config.decisions
    start = world.reset(world.spec.scenario.default(), key)
    way = scripted(world.task, start.scene.body.position, start.scene.goal)
    return rollout(world, Scripted(share * way), start, length=length, key=key)


@pytest.mark.parametrize("name", [name for name in TASKS if name != "letter-unseen"])  # whose wire has its own test
def test_the_solution_by_hand_succeeds_and_holding_still_does_not(name: str) -> None:
    world = make(f"rope-{name}")
    config = world.task.config
    cases = ((SEED, 1.0), (SEED, 0.0), (SEED, 1.0), (HELD_OUT[0], 0.0))
    runs = [tried(world, jnp.uint32(seed), jnp.float32(share)) for seed, share in cases]
    np.testing.assert_array_equal(runs[0].observation["vertices"], runs[2].observation["vertices"])
    assert np.abs(runs[1].observation["goal"] - runs[3].observation["goal"]).max() > 1e-3 or name == "separation"
    seen = jax.tree.map(lambda *parts: np.stack(parts), *runs)
    np.testing.assert_array_equal(succeeded(world.task, seen), [True, False, True, False])
    assert succeeded(world.task, runs[0])
    assert not seen.end.any()
    check_shown(world, seen)
    check_by_hand(world, runs[0])
    assert seen.reward[0].sum() > seen.reward[1].sum() + 0.05
    vertices = seen.observation["vertices"][0].reshape(config.decisions + 1, -1, 3)
    grips = np.stack([vertices[:, grip[0]] for grip in config.grips], 1)
    speed = np.abs(np.diff(grips, axis=0))[: config.release or config.decisions] / config.control_period
    assert speed.max() <= config.speed + 1e-4


def check_shown(world: RopeTask, seen: Trajectory) -> None:
    """All that is shown is as the spec says."""
    assert set(seen.observation) == set(world.spec.observation)
    for shown, array in world.spec.observation.items():
        for one in np.asarray(seen.observation[shown]).reshape(-1, *array.shape):
            array.check(one, shown)


def check_by_hand(world: RopeTask, run: Trajectory) -> None:
    """As a policy the solution plays the same from plain observations, then holds still; success is that of a cut."""
    policy, actions = ByHand(world.task), []
    memory, act = policy.init(world.spec), filter_jit(policy.act)
    for step in range(run.length + 1):
        action, memory = act(memory, {k: v[step] for k, v in run.observation.items()}, jax.random.key(0))
        actions.append(action)
    np.testing.assert_allclose(actions[:-1], run.action, atol=1e-5)
    np.testing.assert_array_equal(actions[-1], 0.0)
    begun = dataclasses.replace(run, mask=np.arange(run.length) < 1)
    assert not succeeded(world.task, begun)


def test_every_task_is_registered() -> None:
    assert {name for name in ENVIRONMENTS if name.startswith("rope-")} == {f"rope-{name}" for name in TASKS}


def test_a_task_keeps_the_contract_of_a_world() -> None:
    coarse = TASKS["coiling"]()
    coarse = dataclasses.replace(coarse, config=dataclasses.replace(coarse.config, control_period=0.02, parts=1))
    assert "gradient" in check_env(RopeTask(coarse, make_task("coiling").execution), steps=2).passed


@pytest.fixture(scope="module")
def begun() -> tuple[RopeTask, TaskState]:
    """A start of the task with posts."""
    world = make_task("wiring-post")
    return world, filter_jit(world.reset)(world.spec.scenario.default(), jax.random.key(SEED))


def test_the_gradient_of_a_reward_is_that_of_differences(begun: tuple[RopeTask, TaskState]) -> None:
    world, start = begun
    key, way = jax.random.key(0), jnp.array([0.1, -0.3, 0.2])

    def gained(action: jax.Array) -> jax.Array:
        return world.reward(start, action, world.step(start, action, key))

    step = 0.02 * jnp.array([0.5, 0.3, 0.4])
    shifted = way[None] + jnp.array([-1.0, 0.0, 1.0])[:, None] * step[None]
    values, slopes = filter_jit(jax.vmap(jax.value_and_grad(gained)))(shifted)
    assert float(slopes[1] @ step) == pytest.approx(float(values[2] - values[0]) / 2, rel=0.02)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ConfigError, match="there are coiling, gathering.*Did you mean 'threading'"):
        make_task("thread")
    with pytest.raises(ConfigError, match="at least one gripper"):
        TaskConfig(10, 0.5, ())
    task = TASKS["coiling"]()
    short = Trajectory({}, np.zeros((2, 3)), np.zeros(2), np.zeros(2, bool), np.ones(2, bool), {})
    with pytest.raises(SpecError, match="judged after 10"):
        succeeded(task, short)
    with pytest.raises(SpecError, match="shows .*'velocities'.*needs the vertices and the goal of that task"):
        ByHand(task).init(make("rope-threading").spec)


def test_turns_and_crossings() -> None:
    turn = jnp.linspace(0.0, 1.5 * jnp.pi, 40)
    arc = jnp.stack([jnp.cos(turn), jnp.sin(turn)], -1)
    assert float(swept(arc, jnp.zeros(2))) == pytest.approx(1.5 * np.pi, rel=1e-5)
    assert float(swept(arc, jnp.array([5.0, 0.0]))) == pytest.approx(np.arctan2(1.0, 5.0), rel=1e-3)
    line = jnp.stack([jnp.linspace(-1.0, 1.0, 7), jnp.full(7, 0.02), jnp.zeros(7)], -1)
    ahead = jnp.array([1.0, 0.0, 0.0])
    middles = (jnp.array([0.1, 0.0, 0.0]), jnp.array([0.1, 0.2, 0.0]))
    assert [float(crossings(line, middle, ahead, 0.05)) for middle in middles] == [1.0, 0.0]
    assert float(crossings(line[::-1], middles[0], ahead, 0.05)) == -1.0


def test_what_hangs_in_a_hand_is_not_lifted_by_the_rope() -> None:
    task, goal = TASKS["lifting"](), jnp.array([0.0, 0.0, 0.2])
    last = task.config.vertices - 1
    handle = jnp.zeros((task.total_vertices, 3)).at[last + 1 :].set(goal)
    held = [handle.at[0].set(goal + 0.3).at[last].set(goal - away) for away in (0.3, 0.04)]
    high = held[0].at[last + 1 :, 2].add(0.05)
    assert [bool(task.solved(vertices, goal)) for vertices in (*held, high)] == [True, False, False]


def test_a_turn_counts_only_close_to_the_post_below_its_top_and_the_right_way() -> None:
    task, goal = TASKS["wrapping"](), jnp.array([0.1, -0.2, 1.0])
    turn = jnp.linspace(0.0, 2.2 * jnp.pi, task.total_vertices)

    def helix(radius: float, height: float, sign: float = 1.0) -> jax.Array:
        x, y = radius * jnp.cos(sign * turn), radius * jnp.sin(sign * turn)
        return jnp.stack([goal[0] + x, goal[1] + y, height + 0.01 * turn], -1)

    wound = [helix(0.04, 0.01), helix(0.1, 0.01), helix(0.04, 0.2), helix(0.04, 0.01, -1.0), helix(0.04, 0.01)[:-8]]
    assert [bool(task.solved(vertices, goal)) for vertices in wound] == [True, False, False, False, False]
    assert float(task.cost(wound[0], goal)) == pytest.approx(0.1 * (7.0 - 2.2 * np.pi), abs=1e-3)
    assert float(task.cost(wound[1], goal)) > 0.35


def test_only_a_wire_that_yields_keeps_its_letter() -> None:
    world = make_task("letter-unseen")
    key, task = jax.random.key(SEED), world.task
    start = filter_jit(world.reset)(world.spec.scenario.default(), key)
    plan = scripted(task, start.scene.body.position, start.scene.goal)
    rod = start.scene.rod
    springy = dataclasses.replace(rod, plasticity=Plasticity(jnp.asarray(1e3), jnp.ones(())))
    play = filter_jit(lambda begun: rollout(world, Scripted(plan), begun, length=task.config.decisions, key=key))
    runs = [play(dataclasses.replace(start, scene=dataclasses.replace(start.scene, rod=r))) for r in (rod, springy)]
    assert [bool(succeeded(task, run)) for run in runs] == [True, False]
    held, after = (runs[1].observation["vertices"][step].reshape(-1, 3) for step in (task.config.release, -1))
    assert task.cost(held, start.scene.goal) + 0.03 < task.cost(after, start.scene.goal)
    assert set(Letter().letters).isdisjoint(task.letters)


def test_a_picture_shows_the_rope_where_it_is(begun: tuple[RopeTask, TaskState]) -> None:
    world, start = begun
    above = Camera((0.25, -0.01, 1.2), (0.25, 0.0, 0.0), 60.0, 80, 80, 1)
    picture = render(world.task, start.scene, camera=above).astype(int)
    assert picture.shape == (80, 80, 3)
    orange = np.argwhere(picture[..., 0] > picture[..., 2] + 60)
    place = np.asarray(start.scene.body.position)
    half = np.tan(np.deg2rad(30.0)) * 1.2
    column = (place[:, 0] - 0.25) / half * 40 + 39.5
    row = 39.5 - place[:, 1] / half * 40
    for spot in orange:
        assert np.hypot(row - spot[0], column - spot[1]).min() < 2.0
    assert len(orange) >= 10
