"""Episodes that a search may try from one start: they are scored, counted, and end with the first that succeeds.

A plan is ``[T, A]`` in units of the largest speed. A search is told the first state and knows the world: it plans in
the world that it is judged in, as in the published comparison. Whether a plan is a solution is told by `succeeded` of
an episode of it in that world, by the same program that judges the search at its end; that episode is counted too.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Policy, Trajectory, filter_jit, tree_at
from diorama.envs.rope.surroundings import Surroundings
from diorama.envs.rope.tasks import RopeTask, succeeded
from diorama.envs.rope.tasks.world import TaskState
from diorama.imagine import rollout
from diorama.imagine.gradient import Gradient, Stop, Through
from diorama.imagine.scripted import Scripted

GRADIENT_COST = 5
"""How many episodes one with its gradient counts as, about what its processor time is."""
BATCH = 6
"""How many are imagined at once, of which populations are whole multiples."""
_LOST = 1e3
"""The cost [m] that a plan is told to have if the rope did not survive it."""


@filter_jit
def played(world: RopeTask, policy: Policy, start: TaskState, seed: Array) -> Trajectory:
    """An episode to its end."""
    return rollout(world, policy, start, length=world.task.config.decisions, key=jax.random.key(seed))


@dataclass(frozen=True)
class Gentle:
    """A world for derivatives: contacts set in ``softer`` times as far away, and motion decays ``drag`` times as fast.

    In the world as it is a rope that falls and touches is chaotic, and the derivative by an early decision is many
    orders of magnitude too large and points anywhere.
    """

    softer: float = 4.0
    drag: float = 5.0


class Trials:
    """Episodes of one start, at most ``budget`` (the last batch may go beyond it by less than its size).

    ``best`` is the plan that ends with the least cost so far or, from when there is one on, the one that succeeds.
    ``stage`` is a word of the search for what it is doing; ``solved_in`` is the one in which it was solved. ``way`` is
    what a search may set: how much of the mean cost after each decision is added to the cost at the end.
    """

    def __init__(self, world: RopeTask, start: TaskState, budget: int, seed: int) -> None:
        self.world, self.start, self.budget, self.seed = world, start, budget, seed
        self.used, self.best, self.record, self.solved = 0, self.plan(0.0), np.inf, False
        self.stage, self.solved_in, self.way = "", "", 0.0

    @property
    def over(self) -> bool:
        """Whether a solution is known or the budget is spent."""
        return self.solved or self.used >= self.budget

    @property
    def shape(self) -> tuple[int, int]:
        """Of a plan: decisions and components of an action."""
        return self.world.task.config.decisions, self.world.spec.action.size

    def plan(self, value: float) -> np.ndarray:
        """The plan with this number everywhere."""
        return np.full(self.shape, value, np.float32)

    def actions(self, plan: np.ndarray) -> jax.Array:
        """A plan in m/s."""
        return jnp.asarray(np.clip(plan, -1.0, 1.0) * np.float32(self.world.task.config.speed))

    def costs(self, plans: np.ndarray) -> np.ndarray:
        """The task's cost [m] at the end of each plan [S, T, A], and ``way`` times the mean along it."""
        found = []
        for first in range(0, len(plans), BATCH):
            part = plans[first : first + BATCH]
            filled = np.concatenate([part, np.repeat(part[:1], BATCH - len(part), 0)])
            actions = jnp.stack([self.actions(plan) for plan in filled])
            ends, along, seen = _tried(self.world, self.start, actions)
            self._note(part, _known(np.asarray(ends)[: len(part)]), seen)
            found.append(_known(np.asarray(ends + self.way * along)[: len(part)]))
            if self.solved:
                return np.concatenate([*found, np.full(len(plans) - first - len(part), _LOST)])
        return np.concatenate(found)

    def slopes(self, plans: np.ndarray, gentle: Gentle) -> np.ndarray:
        """The derivatives [S, T, A] of what `costs` tells of each plan [S, T, A], in a gentler world [m]."""
        self.used += GRADIENT_COST * len(plans)
        actions = jnp.stack([self.actions(plan) for plan in plans])
        softer, drag, way = (jnp.asarray(one, jnp.float32) for one in (gentle.softer, gentle.drag, self.way))
        slope = np.asarray(_sloped(self.world, self.start, actions, softer, drag, way))
        return np.where(np.isfinite(slope), slope, 0.0) * self.world.task.config.speed

    def _note(self, plans: np.ndarray, costs: np.ndarray, seen: Trajectory) -> None:
        """Counts, keeps the best, and looks whether one that succeeded does so before the judge."""
        self.used += len(plans)
        done = succeeded(self.world.task, seen)[: len(plans)]
        for at in np.argsort(costs):
            if costs[at] < self.record:
                self.best, self.record = plans[at], costs[at]
            if done[at]:
                self.used += 1
                if self.judged(plans[at]):
                    self.best, self.solved, self.solved_in = plans[at], True, self.stage
                    break

    def judged(self, plan: np.ndarray) -> bool:
        """Whether an episode of the plan succeeds."""
        seen = played(self.world, Scripted(self.actions(plan)), self.start, np.uint32(self.seed))
        return bool(succeeded(self.world.task, seen))


def _known(costs: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(costs), costs, _LOST)


def _episodes(
    world: RopeTask, start: TaskState, actions: Float[Array, "S T A"], gradient: Gradient
) -> tuple[Float[Array, " S"], Float[Array, " S"], Trajectory]:
    """Costs at the end, their means over all decisions, one metre more from when the rope tore, and what was seen."""

    def one(plan: Float[Array, "T A"]) -> tuple[Array, Array, Trajectory]:
        key, length = jax.random.key(0), world.task.config.decisions
        seen = rollout(world, Scripted(plan), start, length=length, key=key, gradient=gradient)
        first = world.task.cost(start.scene.body.position, start.scene.goal)
        return first - jnp.sum(seen.reward), first - jnp.mean(jnp.cumsum(seen.reward)), seen

    return jax.vmap(one)(actions)


@filter_jit
def _tried(world: RopeTask, start: TaskState, actions: Array) -> tuple[Array, Array, Trajectory]:
    return _episodes(world, start, actions, Stop())


@filter_jit
def _sloped(world: RopeTask, start: TaskState, actions: Array, softer: Array, drag: Array, way: Array) -> Array:
    """The derivatives of each cost by its own actions."""

    def cost(actions: Array) -> Array:
        ends, along, _ = _episodes(world, gentle, actions, Through())
        return jnp.sum(ends + way * along)

    around = start.scene.around
    changed = [softer * one for one in _smoothings(around)] + [drag * around.drag]
    gentle = tree_at(lambda held: [*_smoothings(held.scene.around), held.scene.around.drag], start, changed)
    return jax.grad(cost)(actions)


def _smoothings(around: Surroundings) -> list[Array]:
    return [contact.smoothing for contact in (around.contact, around.self_contact) if contact is not None]
