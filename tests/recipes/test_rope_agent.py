"""The rope agent: sub-goals from topology, grasps by authority, and a plan that plays as it was imagined."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import filter_jit
from diorama.envs.rope.execution import Kernel
from diorama.envs.rope.tasks import TRAINING, RopeTask, succeeded
from diorama.envs.rope.tasks.regrasping import GraspState, Regrasping
from diorama.envs.rope.tasks.threading import Threading
from diorama.envs.rope.tasks.unknotting import Unknotting
from diorama.imagine import rollout
from diorama.imagine.scripted import Scripted
from diorama.policies import LogDeterminant, Measure, Needed, SmallestSingular
from diorama.recipes.rope_agent import ByAuthority, Fixed, NearestEnd, Random, authority, candidates, moved_by, solve
from diorama.recipes.rope_subgoals import SubGoal
from diorama.recipes.rope_threading import Enter, Follow, Thread
from diorama.recipes.rope_unknotting import DrawOut, Spread, Unknot, crossings_met, to_undo

pytest.importorskip("numba")
UNKNOT = Unknot()


@pytest.fixture(scope="module")
def world() -> Regrasping:
    """One gripper, twice as fast as in the task to save time here, and time for one grasp."""
    task = Unknotting()
    quick = dataclasses.replace(task.config, speed=2.0 * task.config.speed, control_period=0.2)
    return Regrasping(dataclasses.replace(task, config=quick), Kernel(1), decisions=UNKNOT.length)


def at(state: GraspState, rope: np.ndarray) -> list[SubGoal]:
    """The sub-goals of unknotting for a rope that lies there."""
    body = dataclasses.replace(state.scene.body, position=jnp.asarray(rope, jnp.float32))
    return UNKNOT.sub_goals(dataclasses.replace(state.scene, body=body))


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
    goals = UNKNOT.sub_goals(start.scene)
    assert [(type(goal), getattr(goal, "end", None)) for goal in goals] == [(DrawOut, 0), (DrawOut, 45)]
    for goal, inwards in zip(goals, (1, -1), strict=True):
        ahead = rope[goal.vertices + inwards] - rope[goal.vertices]
        assert ((ahead * goal.needed).sum(-1) > 0.0).all()
        ways = goal.ways(rope, 20)
        assert len(ways) == 6 and max(way[:, 2].max() for way in ways) <= float(start.scene.high[2])
    line = np.linspace(0.0, 0.4, 46)[:, None] * np.array([[1.0, 0.0, 0.0]])
    free = at(start, line)
    assert [type(goal) for goal in free] == [Spread, Spread] and not crossings_met(line)
    np.testing.assert_allclose([goal.needed[0] for goal in free], [[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])


def test_the_agent_undoes_the_knot_with_one_grasp_and_its_plan_plays_as_imagined(
    world: Regrasping, start: GraspState
) -> None:
    found = solve(world, UNKNOT, start, ByAuthority(Needed()), 0)
    seen = rollout(world, Scripted(jnp.asarray(found.actions)), start, length=UNKNOT.length, key=jax.random.key(0))
    vertices = jnp.asarray(seen.observation["vertices"][-1]).reshape(-1, 3)
    assert {type(goal) for goal in at(start, np.asarray(vertices))} == {Spread}
    (segment,) = found.segments
    cost = float(world.task.cost(vertices, start.scene.goal))
    assert segment.score == pytest.approx(cost, abs=1e-5)
    assert float(seen.observation["held"][1][0]) == segment.grasp
    assert found.actions.shape == (UNKNOT.length, 4) and found.imagined == 12 * UNKNOT.length + 6 * 16
    assert not seen.end.any()


def test_grasps_by_rule(world: Regrasping, start: GraspState) -> None:
    goals, draw = UNKNOT.sub_goals(start.scene), np.random.default_rng(0)
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


def test_the_agent_threads_from_a_grasp_that_lifts_the_tip_and_need_not_pass_the_ring() -> None:
    task = Threading()
    skill = Thread(task)
    world = Regrasping(task, Kernel(1), decisions=skill.length)
    begun = filter_jit(world.reset)(world.spec.scenario.default(), jax.random.key(TRAINING[0]))
    (goal,) = skill.sub_goals(begun.scene)
    assert isinstance(goal, Enter) and goal.reached.tolist() == [True] * 22 + [False] * 4
    there = candidates(world, begun, 3)
    gains = dict(zip(there.tolist(), authority(Needed(), world, goal, moved_by(world, begun, there)), strict=True))
    # A gripper in the middle of the cable lifts it and leaves the tip on the floor.
    assert gains[21] > 0.7 > 0.1 > gains[12]
    found = solve(world, skill, begun, ByAuthority(Needed()), 0)
    assert [one.grasp for one in found.segments] == [21]
    shown = rollout(world, Scripted(jnp.asarray(found.actions)), begun, length=skill.length, key=jax.random.key(0))
    assert succeeded(task, shown)
    assert Random(reaching=True)(world, begun, [goal], np.random.default_rng(0)) <= 21


def test_what_is_next_with_a_ring_follows_from_its_linking() -> None:
    task = Threading()
    skill = Thread(task)
    scene = task.begin(RopeTask(task, Kernel(1)).spec.scenario.default(), jax.random.key(TRAINING[0]))
    straight = np.linspace(-0.48, 0.02, 26)[:, None] * np.array([[1.0, 0.0, 0.0]])

    def lies(aside: float) -> SubGoal:
        position = jnp.asarray(straight + np.asarray(scene.goal) + [0.0, aside, 0.0], jnp.float32)
        laid = dataclasses.replace(scene, body=dataclasses.replace(scene.body, position=position))
        assert float(skill.undone(position, scene.goal)) == (0.0 if aside < 0.03 else 0.5)
        (goal,) = skill.sub_goals(laid)
        rope = np.asarray(position, np.float64)
        for way in goal.ways(rope, 20):
            assert np.allclose(way[0], rope[20]) and (way[1:, 0] <= float(scene.high[0]) + 1e-6).all()
        assert "place 4" in goal.said(4)
        return goal

    assert isinstance(lies(0.0), Follow)
    assert isinstance(lies(0.06), Enter)
