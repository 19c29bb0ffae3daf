"""Grasps that change: they take a decision, are refused where they cannot be, and are the simulator's old handles."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import Env, filter_jit
from diorama.core.env import State
from diorama.core.errors import ConfigError
from diorama.envs.rope.execution import Kernel, Readable
from diorama.envs.rope.tasks import RopeTask, Task, make_task
from diorama.envs.rope.tasks.regrasping import KEEP, LET_GO, NOTHING, GraspState, Regrasping, choice, graspable
from diorama.envs.rope.tasks.unknotting import Unknotting

pytest.importorskip("numba")
KEY = jax.random.key(3)
TRACED: list[str] = []
"""One entry for each program that `stepped` became."""


def short(grips: tuple[tuple[int, ...], ...] = ((18,), (45,))) -> Unknotting:
    """The task with short decisions, so that little is computed."""
    task = Unknotting()
    return dataclasses.replace(task, config=dataclasses.replace(task.config, grips=grips, control_period=0.04, parts=1))


@pytest.fixture(scope="module")
def world() -> Regrasping:
    """Two grippers."""
    return Regrasping(short(), Kernel(1), grippers=2)


@pytest.fixture(scope="module")
def start(world: Regrasping) -> GraspState:
    """A start in which nothing is held."""
    return filter_jit(world.reset)(world.spec.scenario.default(), KEY)


@filter_jit
def stepped(world: Env, state: State, action: jax.Array) -> State:
    """One decision."""
    TRACED.append(world.spec.name)
    return world.step(state, action, KEY)


def told(*grippers: tuple[float, float, float, float]) -> jax.Array:
    """An action."""
    return jnp.asarray(grippers, jnp.float32).ravel()


def grasp(vertex: int) -> tuple[float, float, float, float]:
    """What a gripper is told that grasps."""
    return (0.0, 0.0, 0.0, float(choice(vertex, 46)))


def keep(x: float = 0.0, z: float = 0.0) -> tuple[float, float, float, float]:
    """What a gripper is told that moves with what it holds."""
    return (x, 0.0, z, KEEP)


def test_a_change_of_grasp_takes_a_decision_and_a_held_vertex_moves_as_told(
    world: Regrasping, start: GraspState
) -> None:
    first = stepped(world, start, told((1.0, 0.0, 1.0, grasp(5)[3]), grasp(45)))
    np.testing.assert_array_equal(first.held, [5.0, 45.0])
    assert abs(first.scene.body.position[5, 0] - start.scene.body.position[5, 0]) < 4e-3
    second = stepped(world, first, told(keep(0.5, 1.0), grasp(45)))
    moved = np.asarray(second.scene.body.position - first.scene.body.position)
    reach = world.task.config.speed * world.task.config.control_period
    np.testing.assert_allclose(moved[5], [0.5 * reach, 0.0, reach], atol=1e-5)
    np.testing.assert_allclose(moved[45], 0.0, atol=1e-6)
    third = stepped(world, second, told((0.0, 0.0, 0.0, LET_GO), grasp(2)))
    np.testing.assert_array_equal(third.held, [NOTHING, 2.0])
    assert third.scene.body.position[5, 2] < second.scene.body.position[5, 2] - 1e-3
    np.testing.assert_array_equal(world.observe(third)["held"], third.held)
    assert float(third.clock) == 3.0


def test_what_is_covered_or_taken_is_not_grasped(world: Regrasping, start: GraspState) -> None:
    bare = np.asarray(graspable(start.scene.body.position, world.task.config.radius))
    assert 2 <= (~bare).sum() <= 9 and bare[[0, 45]].all()
    covered = int(np.flatnonzero(~bare)[0])
    state = stepped(world, start, told(grasp(covered), grasp(30)))
    np.testing.assert_array_equal(state.held, [NOTHING, 30.0])
    np.testing.assert_array_equal(stepped(world, state, told(grasp(30), keep())).held, [NOTHING, 30.0])
    np.testing.assert_array_equal(stepped(world, start, told(grasp(30), grasp(30))).held, [30.0, NOTHING])
    over = jnp.array([[0.1 * k, 0.0, 0.0] for k in range(5)] + [[0.1, 0.001, 0.03]])
    np.testing.assert_array_equal(graspable(over, 0.006), [True, False, True, True, True, True])


def test_a_kept_grasp_is_that_of_the_task_with_fixed_grippers(world: Regrasping, start: GraspState) -> None:
    fixed = RopeTask(world.task, Kernel(1))
    plain = filter_jit(fixed.reset)(fixed.spec.scenario.default(), KEY)
    held = dataclasses.replace(start, held=jnp.array([18.0, 45.0]))
    velocity = world.task.config.speed * jnp.array([0.4, 0.1, 0.9, -0.3, 0.0, 0.0])
    other = stepped(fixed, plain, velocity)
    mine = stepped(world, held, told((0.4, 0.1, 0.9, KEEP), (-0.3, 0.0, 0.0, KEEP)))
    np.testing.assert_allclose(mine.scene.body.position, other.scene.body.position, atol=1e-6)


def test_the_kernel_and_the_readable_steps_agree_and_a_grasp_is_no_new_program(
    world: Regrasping, start: GraspState
) -> None:
    readable, action = Regrasping(short(), Readable(), grippers=2), told((0.5, -0.5, 1.0, KEEP), keep())
    held = [dataclasses.replace(start, held=jnp.array(pair)) for pair in ([5.0, NOTHING], [30.0, 45.0])]
    ends = [[stepped(one, state, action).scene.body.position for one in (world, readable)] for state in held]
    count = len(TRACED)
    np.testing.assert_allclose(*ends[0], atol=1e-5)
    np.testing.assert_allclose(*ends[1], atol=1e-5)
    assert np.abs(ends[0][0] - ends[1][0]).max() > 5e-3
    stepped(world, dataclasses.replace(start, held=jnp.array([7.0, 11.0])), action)
    assert len(TRACED) == count


def test_what_cannot_be_is_said() -> None:
    sling: Task = make_task("slingshot").task
    with pytest.raises(ConfigError, match="slingshot with 1 grippers .* no release"):
        Regrasping(sling, Kernel(1))
