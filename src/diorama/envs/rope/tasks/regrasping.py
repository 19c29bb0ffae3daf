"""A rope task whose grippers may let go and grasp elsewhere: what is held is a part of the state and of the action.

Which vertex a gripper holds goes to the simulator as a number, so that every grasp is the same compiled program.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import ArraySpec, Env, EnvSpec, Module, field
from diorama.core.env import Observation, Scenario
from diorama.core.errors import ConfigError
from diorama.envs.rope.execution import Execution
from diorama.envs.rope.handles import Handles, free
from diorama.envs.rope.tasks.config import TaskConfig
from diorama.envs.rope.tasks.task import Scene, Task
from diorama.envs.rope.tasks.world import FACTORS, RopeTask, TaskState, decided, held_too, led, tension

NOTHING = -1.0
"""The number of the vertex that an empty gripper holds."""
KEEP, LET_GO = 0.0, -1.0
"""The last number of a gripper's action: below -0.5 it lets go, up to 0.5 it keeps what it holds."""
_FROM = 0.5
_COVERED, _NEIGHBOURS = 2.0, 3


class GraspState(Module):
    """As `TaskState`, with the number of the vertex that each gripper holds."""

    scene: Scene
    clock: Float[Array, ""]
    torn: Float[Array, ""]
    held: Float[Array, " K"]


class Regrasping(Env):
    """A task's world with ``grippers`` that begin empty, and with time for ``decisions``.

    Each gripper has four numbers from -1 to 1: its velocity as a share of ``task.config.speed``, and what it does: see
    `KEEP` and `choice`. A change of grasp takes one decision, in which the gripper holds nothing. It then holds the
    vertex as by a pin, unless another part of the rope lies over that vertex (`graspable`) or another gripper has it:
    then it holds nothing. Grippers have no body, and go unhindered to where they grasp. The rest is as in `RopeTask`.
    """

    spec: EnvSpec = field(static=True)
    plain: RopeTask
    """The same with fixed grippers."""
    grippers: int = field(static=True)

    def __init__(self, task: Task, execution: Execution, grippers: int = 1, decisions: int | None = None):
        config = dataclasses.replace(task.config, decisions=decisions or task.config.decisions)
        if config.release or grippers < 1:
            raise ConfigError(
                f"{task.name} with {grippers} grippers that may grasp anew: it needs one, and no release."
            )
        self.plain = RopeTask(dataclasses.replace(task, config=config), execution)
        self.grippers = grippers
        self.spec = _spec(self.plain, grippers)

    @property
    def task(self) -> Task:
        """The task, with its time."""
        return self.plain.task

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> GraspState:
        """A start and a goal drawn from the key, the same as in `RopeTask`; nothing is held."""
        begun = self.plain.reset(scenario, key)
        held = jnp.full(self.grippers, NOTHING, begun.clock.dtype)
        return GraspState(begun.scene, begun.clock, begun.torn, held)

    def step(self, state: GraspState, action: Float[Array, " A"], key: PRNGKeyArray) -> GraspState:
        """One control period."""
        config, told = self.task.config, jnp.clip(action, -1.0, 1.0).reshape(-1, 4)
        asked = self._asked(told[:, 3], state.held)
        changes = asked != state.held
        holds = jnp.where(changes, NOTHING, state.held)
        wanted = config.speed * told[:, :3]
        after, torn = decided(self.plain, _plain(state), lambda scene: _handles(config, scene, holds, wanted))
        held = self._grasped(after.body.position, asked, changes)
        return GraspState(after, state.clock + 1.0, torn, held)

    def observe(self, state: GraspState) -> Observation:
        """As `RopeTask`, and what each gripper holds."""
        return {**self.plain.observe(_plain(state)), "held": state.held}

    def reward(self, state: GraspState, action: Float[Array, " A"], next_state: GraspState) -> Float[Array, ""]:
        """As `RopeTask`."""
        return self.plain.reward(_plain(state), action, _plain(next_state))

    def terminal(self, state: GraspState) -> Bool[Array, ""]:
        """Whether the rope tore."""
        return state.torn > 0.0

    def _asked(self, choices: Array, held: Array) -> Array:
        last = self.task.config.vertices - 1
        vertex = jnp.round((choices - _FROM) / (1.0 - _FROM) * last)
        return jnp.where(choices >= _FROM, vertex, jnp.where(choices <= -_FROM, NOTHING, held))

    def _grasped(self, position: Array, asked: Array, changes: Array) -> Array:
        """What is held when those that change their grasp have it."""
        rope = position[: self.task.config.vertices]
        bare = graspable(rope, self.task.config.radius)[jnp.maximum(asked, 0.0).astype(jnp.int32)]
        other = (asked[:, None] == asked[None]) & ~jnp.eye(len(asked), dtype=bool)
        taken = jnp.any(other & (~changes[None] | jnp.tri(len(asked), k=-1, dtype=bool)), -1)
        return jnp.where(changes & (taken | ~bare), NOTHING, asked)


def choice(vertex: int | Array, vertices: int) -> Array:
    """The last number of a gripper's action that grasps this vertex of a rope of so many ``vertices``."""
    return _FROM + (1.0 - _FROM) * jnp.asarray(vertex, jnp.float32) / (vertices - 1)


def graspable(rope: Float[Array, "V 3"], radius: float) -> Bool[Array, " V"]:
    """Whether nothing lies over a vertex: no vertex or middle of an edge at least 3 places away along the rope.

    What is within two radii on the floor plan, and higher by at least one, lies over it.
    """
    middle = 0.5 * (rope[1:] + rope[:-1])
    other = jnp.concatenate([rope, middle])
    place = jnp.concatenate([jnp.arange(len(rope)), jnp.arange(len(middle)) + 0.5])
    between = other[None] - rope[:, None]
    aside = jnp.sum(between[..., :2] ** 2, -1) < (_COVERED * radius) ** 2
    far = jnp.abs(place[None] - jnp.arange(len(rope))[:, None]) >= _NEIGHBOURS
    return ~jnp.any(aside & far & (between[..., 2] > radius), -1)


def _handles(config: TaskConfig, scene: Scene, holds: Array, wanted: Array) -> Handles:
    """What is fixed, and what the grippers hold by now."""
    fixed = held_too(free(scene.rod), config.fixed)
    index = jnp.arange(scene.rod.mass.shape[0], dtype=holds.dtype)
    picked = (index[None] == holds[:, None]).astype(fixed.vertices.dtype)
    places, pulls = picked @ scene.body.position, picked @ tension(scene)
    velocity = jax.vmap(lambda place, want, pull: led(config, scene, place, want, pull))(places, wanted, pulls)
    held = jnp.maximum(fixed.vertices, jnp.max(picked, 0))
    return Handles(held, fixed.velocity + picked.T @ velocity, fixed.edges, fixed.spin)


def _plain(state: GraspState) -> TaskState:
    return TaskState(state.scene, state.clock, state.torn)


def _spec(plain: RopeTask, grippers: int) -> EnvSpec:
    last = float(plain.task.config.vertices - 1)
    observation = {**plain.spec.observation, "held": ArraySpec((grippers,), "1", NOTHING, last)}
    names = tuple(f"{part}_{gripper}" for gripper in range(grippers) for part in ("x", "y", "z", "grasp"))
    action = ArraySpec((len(names),), "1", -1.0, 1.0, names=names)
    return EnvSpec(f"{plain.spec.name}-regrasping", observation, action, plain.spec.control_period, FACTORS)
