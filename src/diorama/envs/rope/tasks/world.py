"""A rope task as an `Env`: actions are velocities of grippers, the reward is how much nearer to done the rope came."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import ArraySpec, Env, EnvSpec, Factor, Module, ScenarioSpace, field
from diorama.core.env import Observation, Scenario
from diorama.envs.rope.execution import Execution, constant
from diorama.envs.rope.handles import Handles, clamp, free, hold, move
from diorama.envs.rope.integrator import Scheme
from diorama.envs.rope.rod import RodState
from diorama.envs.rope.tasks.config import TaskConfig
from diorama.envs.rope.tasks.task import Scene, Task
from diorama.envs.rope.topology import edges_of, to_vertices
from diorama.envs.rope.vectors import length, unit

FACTORS = ScenarioSpace(
    {
        "stiffness": Factor(1.0, 0.5, 2.0, "1", "of the rope against bending and twist, times that of the task"),
        "mass": Factor(1.0, 0.7, 1.5, "1", "of the rope, times that of the task"),
        "friction": Factor(0.4, 0.1, 0.8, "1", "of everything on everything"),
    }
)
TOO_FAST = 50.0
"""Speed of a vertex [m/s] at which a rope counts as torn; nothing that a gripper does comes near it."""
_AXES = ("x", "y", "z")


class TaskState(Module):
    """The scene, with the rope as it is now, how many decisions were made, and whether (1) the rope tore."""

    scene: Scene
    clock: Float[Array, ""]
    torn: Float[Array, ""]


class RopeTask(Env):
    """One task as a world.

    The action is the velocity of each gripper [m/s], clipped to its bounds and to what keeps the gripper inside the
    scene's box. A gripper that is pulled by more than ``task.config.strength`` gives way. The reward is by how
    much the cost [m] of the task fell, less 1 m when the rope tears. An episode has ``task.config.decisions`` steps; it
    ends before if the rope tears: it is then faster than `TOO_FAST`, or its numbers are none. ``execution`` carries the
    rope (`best`).
    """

    spec: EnvSpec = field(static=True)
    task: Task
    execution: Execution

    def __init__(self, task: Task, execution: Execution):
        self.task = task
        self.execution = execution
        self.spec = _spec(task)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> TaskState:
        """A start and a goal drawn from the key."""
        return TaskState(self.task.begin(scenario, key), jnp.zeros(()), jnp.zeros(()))

    def step(self, state: TaskState, action: Float[Array, " A"], key: PRNGKeyArray) -> TaskState:
        """One control period: in each of its parts grippers look at what pulls at them."""
        config, clock = self.task.config, state.clock
        after, torn = decided(self, state, lambda scene: _handles(config, scene, clock, action))
        return TaskState(after, clock + 1.0, torn)

    def observe(self, state: TaskState) -> Observation:
        """Positions [m], velocities [m/s] vertex by vertex, the goal, and the share of time that went."""
        body = state.scene.body
        time = jnp.clip(state.clock / self.task.config.decisions, 0.0, 1.0)
        return {
            "vertices": body.position.ravel(),
            "velocities": body.velocity.ravel(),
            "goal": state.scene.goal,
            "time": time[None],
        }

    def reward(self, state: TaskState, action: Float[Array, " A"], next_state: TaskState) -> Float[Array, ""]:
        """By how much the cost of the task fell [m]; less 1 m when the rope tears."""
        before, after = (self.task.cost(s.scene.body.position, s.scene.goal) for s in (state, next_state))
        return before - after - (next_state.torn - state.torn)

    def terminal(self, state: TaskState) -> Bool[Array, ""]:
        """Whether the rope tore."""
        return state.torn > 0.0


def decided(world: RopeTask, state: TaskState, handles: Callable[[Scene], Handles]) -> tuple[Scene, Float[Array, ""]]:
    """The scene one decision later, and whether (1) the rope is torn; ``handles`` are asked for in each part.

    The scene of a rope that is torn stays as it was.
    """
    config = world.task.config

    def part(now: Scene, _: None) -> tuple[Scene, None]:
        scheme = Scheme(jnp.asarray(config.substep, now.goal.dtype))
        told = constant(handles(now))
        bodies = world.execution.travel(now.rod, now.body, now.around, told, scheme, steps=config.substeps)
        body: RodState = jax.tree.map(lambda leaf: leaf[-1], bodies)
        return Scene(now.rod, body, now.around, now.goal, now.low, now.high), None

    after = jax.lax.scan(part, state.scene, None, length=config.parts)[0]
    torn = jnp.maximum(state.torn, 1.0 - _whole(after.body))
    return jax.tree.map(lambda new, old: jnp.where(torn > 0.0, old, new), after, state.scene), torn


def led(
    config: TaskConfig, scene: Scene, place: Float[Array, " 3"], wanted: Float[Array, " 3"], force: Float[Array, " 3"]
) -> Float[Array, " 3"]:
    """The velocity [m/s] of a gripper at ``place``: it stays in its box and gives way to too hard a pull."""
    spell = config.control_period / config.parts
    over = jnp.clip(length(force) / config.strength - 1.0, 0.0, 2.0)
    there = jnp.clip(place + spell * (wanted + config.speed * over * unit(force)), scene.low, scene.high)
    return (there - place) / spell


def _handles(config: TaskConfig, scene: Scene, clock: Array, action: Array) -> Handles:
    """All that is held."""
    handles = held_too(free(scene.rod), config.fixed)
    told = jnp.clip(action, -config.speed, config.speed).reshape(-1, 3)
    pull = tension(scene)
    for grip, wanted in zip(config.grips, told, strict=True):
        force = sum(pull[vertex] for vertex in grip)
        velocity = led(config, scene, scene.body.position[grip[0]], wanted, force)
        handles = held_too(handles, grip)
        for vertex in grip:
            handles = move(handles, vertex, velocity)
    if not config.release:
        return handles
    kept = held_too(free(scene.rod), config.fixed)
    return jax.tree.map(lambda one, other: jnp.where(clock < config.release, one, other), handles, kept)


def _whole(body: RodState) -> Float[Array, ""]:
    """1 where the rope is as a rope can be, else 0."""
    fine = jnp.all(jnp.abs(body.velocity) < TOO_FAST)  # false of what is no number, too
    numbers = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(body)]
    return jnp.where(fine & jnp.all(jnp.stack(numbers)), 1.0, 0.0)


def tension(scene: Scene) -> Float[Array, "V 3"]:
    """How the edges that are stretched pull at each vertex [N]."""
    rod = scene.rod
    edge = edges_of(scene.body.position, rod.closed)
    strain = jnp.maximum(length(edge) / rod.rest_length - 1.0, 0.0)
    along = (rod.present * rod.stretch * strain)[:, None] * unit(edge)
    return to_vertices(along, -along, rod.closed)


def held_too(handles: Handles, vertices: tuple[int, ...]) -> Handles:
    """Also holds these vertices, and the sections of edges between two of them."""
    edges = [vertex for vertex in vertices if vertex + 1 in vertices]
    handles = hold(handles, *vertices) if vertices else handles
    return clamp(handles, *edges) if edges else handles


def _spec(task: Task) -> EnvSpec:
    config, flat = task.config, (3 * task.total_vertices,)
    observation = {
        "vertices": ArraySpec(flat, "m"),
        "velocities": ArraySpec(flat, "m/s"),
        "goal": ArraySpec((len(task.goal_names),), "m", names=task.goal_names),
        "time": ArraySpec((1,), "1", 0.0, 1.0),
    }
    names = tuple(f"{axis}_{gripper}" for gripper in range(len(config.grips)) for axis in _AXES)
    action = ArraySpec((len(names),), "m/s", -config.speed, config.speed, names=names)
    return EnvSpec(f"rope-{task.name}", observation, action, config.control_period, FACTORS)
