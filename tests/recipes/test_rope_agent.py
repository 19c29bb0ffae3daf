"""The agent that unknots: sub-goals from crossings, grasps by authority, and a plan that plays as it was imagined."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import filter_jit
from diorama.envs.rope.execution import Kernel
from diorama.envs.rope.tasks import TRAINING
from diorama.envs.rope.tasks.regrasping import GraspState, Regrasping
from diorama.envs.rope.tasks.unknotting import Unknotting
from diorama.imagine import rollout
from diorama.imagine.scripted import Scripted
from diorama.policies import LogDeterminant, Measure, Needed, SmallestSingular
from diorama.recipes.rope_agent import LENGTH, ByAuthority, Fixed, NearestEnd, Random, authority, candidates, solve
from diorama.recipes.rope_subgoals import DrawOut, Spread, crossings_met, sub_goals, to_undo

pytest.importorskip("numba")


@pytest.fixture(scope="module")
def world() -> Regrasping:
    """One gripper, twice as fast as in the task to save time here, and time for one grasp."""
    task = Unknotting()
    quick = dataclasses.replace(task.config, speed=2.0 * task.config.speed, control_period=0.2)
    return Regrasping(dataclasses.replace(task, config=quick), Kernel(1), decisions=LENGTH)


@pytest.fixture(scope="module")
def start(world: Regrasping) -> GraspState:
    """A start with a knot."""
    return filter_jit(world.reset)(world.spec.scenario.default(), jax.random.key(TRAINING[1]))


def test_measures_are_those_of_a_known_map() -> None:
    motions = 0.1 * jnp.concatenate([jnp.eye(3), -jnp.eye(3)])
    gains = jnp.array([[2.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
    linear, pulled = motions @ gains.T, jnp.maximum(motions @ gains.T, 0.0)
    needed = jnp.array([0.0, -3.0])

    def told(measure: Measure, responses: jax.Array) -> float:
        return float(measure(motions, responses, needed))

    assert told(SmallestSingular(), linear) == pytest.approx(0.5, rel=1e-5)
    assert told(LogDeterminant(), linear) == pytest.approx(0.0, abs=1e-5)
    assert told(Needed(), linear) == pytest.approx(0.5, rel=1e-5)
    # Half of the probes find slack: the linear measures do not see which half, the last one does.
    assert told(SmallestSingular(), pulled) == pytest.approx(0.25, rel=1e-5)
    assert told(Needed(), pulled) == pytest.approx(0.0, abs=1e-6)
    assert told(LogDeterminant(), 0.0 * linear) == pytest.approx(2 * np.log(1e-3), rel=1e-5)


def test_sub_goals_follow_from_the_crossings(start: GraspState) -> None:
    rope = np.asarray(start.scene.body.position, np.float64)
    assert len(crossings_met(rope)) == 6
    assert len(to_undo(rope)) == len(to_undo(rope[::-1])) == 2
    goals = sub_goals(rope, 0.5, 0.46)
    assert [(type(goal), getattr(goal, "end", None)) for goal in goals] == [(DrawOut, 0), (DrawOut, 45)]
    for goal, inwards in zip(goals, (1, -1), strict=True):
        ahead = rope[goal.vertices + inwards] - rope[goal.vertices]
        assert ((ahead * goal.needed).sum(-1) > 0.0).all()
        ways = goal.ways(rope, 20)
        assert len(ways) == 6 and max(way[:, 2].max() for way in ways) <= 0.46
    line = np.linspace(0.0, 0.4, 46)[:, None] * np.array([[1.0, 0.0, 0.0]])
    free = sub_goals(line, 0.5, 0.46)
    assert [type(goal) for goal in free] == [Spread, Spread] and not crossings_met(line)
    np.testing.assert_allclose([goal.needed[0] for goal in free], [[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])


def test_the_agent_undoes_the_knot_with_one_grasp_and_its_plan_plays_as_imagined(
    world: Regrasping, start: GraspState
) -> None:
    found = solve(world, start, ByAuthority(Needed()), 0)
    seen = rollout(world, Scripted(jnp.asarray(found.actions)), start, length=LENGTH, key=jax.random.key(0))
    vertices = jnp.asarray(seen.observation["vertices"][-1]).reshape(-1, 3)
    assert {type(goal) for goal in sub_goals(np.asarray(vertices, np.float64), 0.5, 0.46)} == {Spread}
    (segment,) = found.segments
    cost = float(world.task.cost(vertices, start.scene.goal))
    assert segment.score == pytest.approx(cost, abs=1e-5)
    assert float(seen.observation["held"][1][0]) == segment.grasp
    assert found.actions.shape == (LENGTH, 4) and found.imagined == 12 * LENGTH + 6 * 16
    assert not seen.end.any()


def test_grasps_by_rule(world: Regrasping, start: GraspState) -> None:
    rope = np.asarray(start.scene.body.position, np.float64)
    goals, draw = sub_goals(rope, 0.5, 0.46), np.random.default_rng(0)
    there = candidates(world, start, 1)
    assert Fixed(0.0)(world, start, goals, draw) == 0
    assert abs(Fixed(0.5)(world, start, goals, draw) - 22.5) < 3
    assert {NearestEnd()(world, start, goals, draw) for _ in range(20)} == {0, 45}
    drawn = [Random()(world, start, goals, draw) for _ in range(40)]
    assert set(drawn) <= set(there) and len(set(drawn)) > 15
    # A vertex that pulls what is to move along the rope has more authority than one that does not move it.
    moved = np.zeros((2, 5, 46, 3), np.float32)
    goal = dataclasses.replace(goals[0], needed=np.array([[1.0, 0.0, 0.0]] * 2))
    moved[1, 0, goal.vertices, 0] = 0.1
    gains = authority(Needed(), world, goal, jnp.asarray(moved))
    np.testing.assert_allclose(gains, [0.0, 0.1 * np.sqrt(2) / 0.14], rtol=1e-5)
