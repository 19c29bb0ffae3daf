"""An agent for ropes: it splits a task into grasps and sub-goals, and plans each of them in the simulator.

Again and again it asks what is to be done next (`Skill`, one for each task that it knows), chooses where to grasp,
tries the ways to get the sub-goal done with that grasp, and does the best of them. Where to grasp is a choice
(`Chooser`): by control authority, which a short roll-out measures for vertices that can be grasped, or by a rule. It
needs no language or vision model.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import filter_jit
from diorama.core.env import Observation
from diorama.envs.rope.tasks.regrasping import GraspState, Regrasping, choice, graspable
from diorama.policies.authority import Measure, responses
from diorama.recipes.rope_subgoals import Skill, SubGoal

PLANS = 12
"""Ways that are tried for a grasp."""
_TORN = 0.5
"""What a torn rope counts beside the task's cost [m] when ways are compared."""
_DIRECTIONS = ((1.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))
_EVERY = 3


class Chooser(abc.ABC):
    """Decides where to grasp. ``imagined`` counts the decisions in the simulator that it needs for that."""

    imagined: int = 0
    grasps: int = 1
    """How many grasps are tried for a segment; the one with the best way is done."""

    @abc.abstractmethod
    def __call__(
        self, world: Regrasping, state: GraspState, goals: Sequence[SubGoal], draw: np.random.Generator
    ) -> int:
        """The number of a vertex."""


@dataclass
class Random(Chooser):
    """Any vertex that can be grasped; if ``reaching``, any from which one of the sub-goals can be done (`SubGoal`)."""

    grasps: int = 1
    reaching: bool = False

    def __call__(
        self, world: Regrasping, state: GraspState, goals: Sequence[SubGoal], draw: np.random.Generator
    ) -> int:
        """See `Chooser`."""
        there = candidates(world, state, 1)
        fit = there[np.any([goal.reached[there] for goal in goals], 0)] if self.reaching else there
        return int(draw.choice(fit if len(fit) else there))


@dataclass
class Fixed(Chooser):
    """Always the vertex at this share of the rope, or the nearest that can be grasped."""

    share: float

    def __call__(
        self, world: Regrasping, state: GraspState, goals: Sequence[SubGoal], draw: np.random.Generator
    ) -> int:
        """See `Chooser`."""
        wanted, there = self.share * (world.task.config.vertices - 1), candidates(world, state, 1)
        return int(there[np.argmin(np.abs(there - wanted))])


class NearestEnd(Chooser):
    """The end of the rope that is nearer to what a sub-goal wants to move; of two sub-goals one is drawn."""

    def __call__(
        self, world: Regrasping, state: GraspState, goals: Sequence[SubGoal], draw: np.random.Generator
    ) -> int:
        """See `Chooser`."""
        goal = goals[draw.integers(len(goals))]
        middle = 0.5 * (world.task.config.vertices - 1)
        return Fixed(float(goal.vertices.mean() > middle))(world, state, goals, draw)


@dataclass
class ByAuthority(Chooser):
    """The vertex with the most authority, by this measure, over what one of the sub-goals wants to move.

    From a vertex that could not get the sub-goal done because the gripper would have to leave its box (`SubGoal`) there
    is none, unless ``anywhere``.
    """

    measure: Measure
    anywhere: bool = False
    imagined: int = 0

    def __call__(
        self, world: Regrasping, state: GraspState, goals: Sequence[SubGoal], draw: np.random.Generator
    ) -> int:
        """See `Chooser`."""
        there = candidates(world, state, _EVERY)
        moved = moved_by(world, state, there)
        self.imagined += moved.shape[0] * (len(_DIRECTIONS) + 1)
        each = []
        for goal in goals:
            fit = self.anywhere | goal.reached[there]
            each.append(np.where(fit, authority(self.measure, world, goal, moved), -np.inf))
        return int(there[np.argmax(np.max(each, 0))])


@dataclass(frozen=True)
class Segment:
    """One grasp of an episode: the vertex, the actions, the sub-goal that was done, and the score of its way."""

    grasp: int
    goal: str
    score: float
    actions: np.ndarray


@dataclass(frozen=True)
class Solution:
    """The actions [T, A] of an episode, its segments, and how many decisions were imagined for it."""

    actions: np.ndarray
    segments: tuple[Segment, ...]
    imagined: int


def solve(world: Regrasping, skill: Skill, start: GraspState, chooser: Chooser, seed: int) -> Solution:
    """Plans a whole episode from its start, segment by segment, in the world itself; holds still once it is done."""
    draw, state, segments, imagined = np.random.default_rng(seed), start, [], 0
    left, chooser.imagined = world.task.config.decisions, 0
    while left >= skill.length and not bool(_solved(world, state)):
        goals = skill.sub_goals(state.scene)
        if not goals:
            break
        ways = []
        for _ in range(chooser.grasps):
            ways += _tried(world, skill, state, goals, chooser(world, state, goals, draw))
        segments.append(min(ways, key=lambda segment: segment.score))
        state = _after(world, state, jnp.asarray(segments[-1].actions))
        imagined, left = imagined + len(ways) * skill.length, left - skill.length
    still = np.zeros((left, world.spec.action.size), np.float32)
    actions = np.concatenate([*(segment.actions for segment in segments), still])
    return Solution(actions, tuple(segments), imagined + chooser.imagined)


def _tried(world: Regrasping, skill: Skill, state: GraspState, goals: Sequence[SubGoal], grasp: int) -> list[Segment]:
    """Every way to every sub-goal with this grasp."""
    rope = np.asarray(state.scene.body.position, np.float64)
    named = [(type(goal).__name__, way) for goal in goals for way in goal.ways(rope, grasp)]
    plans = [_actions(world, skill.length, rope, grasp, way) for _, way in named]
    scores = _scored(world, skill, state, plans)
    return [
        Segment(grasp, name, float(score), plan) for (name, _), score, plan in zip(named, scores, plans, strict=True)
    ]


def candidates(world: Regrasping, state: GraspState, every: int) -> np.ndarray:
    """Vertices that can be grasped, of each ``every`` one that which comes first."""
    config = world.task.config
    there = np.flatnonzero(np.asarray(_graspable(state.scene.body.position[: config.vertices], config.radius)))
    return there[np.unique(there // every, return_index=True)[1]]


def moved_by(world: Regrasping, state: GraspState, grasps: np.ndarray) -> Float[Array, "C P V 3"]:
    """By how much [m] each vertex is moved by each probing motion of a gripper that holds each of ``grasps``."""
    whole = world.task.config.vertices // _EVERY + 1
    padded = np.resize(grasps, whole)
    found = _moved(world, state, jnp.asarray(padded, jnp.float32))
    return found.reshape(*found.shape[:2], -1, 3)[: len(grasps)]


def authority(measure: Measure, world: Regrasping, goal: SubGoal, moved: Float[Array, "C P V 3"]) -> np.ndarray:
    """The authority of each grasp [C] over the motion that a sub-goal needs of its vertices."""
    config = world.task.config
    motions = config.speed * config.control_period * jnp.asarray(_DIRECTIONS)
    along = jnp.sum(moved[:, :, goal.vertices] * jnp.asarray(goal.needed, jnp.float32)[None, None], -1)
    return np.asarray(jax.vmap(lambda each: measure(motions, each, jnp.asarray(goal.amount)))(along))


def _actions(world: Regrasping, length: int, rope: np.ndarray, grasp: int, way: np.ndarray) -> np.ndarray:
    """Grasps, then follows the way in even time [length, A]."""
    config, count = world.task.config, length - 1
    share = np.linspace(0.0, 1.0, count + 1)
    knots = np.linspace(0.0, 1.0, len(way))
    places = np.stack([np.interp(share, knots, column) for column in way.T], -1)
    velocity = np.diff(places, axis=0) / config.control_period / config.speed
    moving = np.concatenate([np.clip(velocity, -1.0, 1.0), np.zeros((count, 1))], -1)
    first = np.array([[0.0, 0.0, 0.0, float(choice(grasp, config.vertices))]])
    return np.concatenate([first, moving]).astype(np.float32)


def _scored(world: Regrasping, skill: Skill, state: GraspState, plans: list[np.ndarray]) -> np.ndarray:
    """The task's cost after each plan, with what topology counts; filled up so that one program serves all."""
    filled = jnp.asarray(np.stack([*plans, *[plans[0]] * (PLANS - len(plans))]))
    return np.asarray(_scores(world, skill, state, filled))[: len(plans)]


@filter_jit
def _scores(world: Regrasping, skill: Skill, state: GraspState, plans: Array) -> Array:
    def one(plan: Array) -> Array:
        end = _end(world, state, plan)
        vertices = end.scene.body.position
        bad = skill.undone(vertices, end.scene.goal) + _TORN * end.torn
        return world.task.cost(vertices, end.scene.goal) + bad

    return jax.vmap(one)(plans)


def _end(world: Regrasping, state: GraspState, plan: Array) -> GraspState:
    key = jax.random.key(0)
    return jax.lax.scan(lambda now, action: (world.step(now, action, key), None), state, plan)[0]


@filter_jit
def _after(world: Regrasping, state: GraspState, plan: Array) -> GraspState:
    return _end(world, state, plan)


@filter_jit
def _solved(world: Regrasping, state: GraspState) -> Array:
    return world.task.solved(state.scene.body.position, state.scene.goal)


@filter_jit
def _moved(world: Regrasping, state: GraspState, grasps: Array) -> Array:
    probes = jnp.pad(jnp.asarray(_DIRECTIONS), ((0, 0), (0, 1)))[:, None]

    def held(grasp: Array) -> Array:
        holds = GraspState(state.scene, state.clock, state.torn, grasp[None])
        return responses(world, holds, probes, _vertices, jax.random.key(0))

    return jax.vmap(held)(grasps)


def _vertices(shown: Observation) -> Array:
    return shown["vertices"]


_graspable = filter_jit(graspable)
