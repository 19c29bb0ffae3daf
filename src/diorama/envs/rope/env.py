"""A rope on a floor as an `Env`: grasped vertices move as the action says, and the free end is to come to a goal."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import ArraySpec, Env, EnvSpec, Factor, Module, ScenarioSpace, field
from diorama.core.env import Observation, Scenario
from diorama.envs.rope.bodies import Body, BodyState, ball, brick
from diorama.envs.rope.contact import Contact
from diorama.envs.rope.env_config import BodyConfig, RopeConfig
from diorama.envs.rope.execution import Execution, Readable, constant, travel_together
from diorama.envs.rope.handles import Handles, free, grasp, hold, later, move
from diorama.envs.rope.integrator import Scheme
from diorama.envs.rope.rod import Rod, RodState, at_rest, uniform_rod
from diorama.envs.rope.shapes import Plane
from diorama.envs.rope.springs import Spring
from diorama.envs.rope.surroundings import EARTH, Surroundings
from diorama.envs.rope.together import Bodies, Together
from diorama.envs.rope.vectors import length

_FACTORS = ScenarioSpace(
    {
        "stiffness": Factor(1e-4, 1e-5, 1e-3, "N m^2", "against bending; that against twist is two thirds of it"),
        "mass": Factor(0.05, 0.02, 0.1, "kg", "of the whole rope"),
        "friction": Factor(0.3, 0.05, 1.0, "1", "static and kinetic, of the rope on the floor"),
        "length": Factor(1.0, 0.6, 1.2, "m", "of the whole rope"),
    }
)
_FLOOR_STIFFNESS, _SMOOTHING, _FLOOR_DAMPING = 2e3, 1e-3, 1.0
_TWIST_SHARE = 2.0 / 3.0
_BODY_STIFFNESS, _ROUNDING = 1e3, 0.002


class RopeState(Module):
    """The rope's parameters, its state, the coefficient of friction and the goal of its free end [m].

    ``targets`` [m] are where soft grips draw the held vertices, ``bodies`` the states of free bodies.
    """

    rod: Rod
    body: RodState
    friction: Float[Array, ""]
    goal: Float[Array, " 3"]
    targets: Float[Array, "H 3"] | None = None
    bodies: tuple[BodyState, ...] = ()


class Rope(Env):
    """An inextensible rope that starts straight on a floor, in a direction of its own.

    The action is the velocity of each held vertex, or of the target of its soft grip [m/s], clipped to its bounds. A
    target stays no farther from its vertex than where its force is largest, so that a grip that gave way does not wind
    up. The reward is minus the distance [m] of the last vertex from the goal, after the step. It never ends.
    ``execution`` carries the rope through a step: with `Kernel()` a batch under `jax.vmap` is shared out over the cores
    of a CPU. Free bodies are carried by `Readable` alone; other executions raise `SpecError`.
    """

    spec: EnvSpec = field(static=True)
    config: RopeConfig = field(static=True)
    execution: Execution

    def __init__(self, config: RopeConfig = RopeConfig(), execution: Execution = Readable()):  # noqa: B008 (immutable)
        self.config = config
        self.execution = execution
        self.spec = _spec(config)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> RopeState:
        """At rest on the floor; direction and goal are drawn."""
        rope_length = jnp.asarray(scenario["length"])
        turn_key, goal_key = jax.random.split(key)
        turn = jax.random.uniform(turn_key, (), rope_length.dtype, -jnp.pi, jnp.pi)
        ahead = jnp.stack([jnp.cos(turn), jnp.sin(turn), jnp.zeros_like(turn)])
        share = jnp.linspace(0.0, 1.0, self.config.vertices, dtype=rope_length.dtype)
        height = jnp.array([0.0, 0.0, self.config.radius], rope_length.dtype)
        position = rope_length * share[:, None] * ahead[None] + height[None]
        aside = jax.random.uniform(goal_key, (2,), rope_length.dtype, -0.3, 0.3)
        goal = rope_length * ahead + jnp.pad(aside, (0, 1)) + height
        rod = self._rod(scenario, position)
        targets = None if self.config.grip is None else position[jnp.asarray(self.config.held)]
        bodies = tuple(_lying(body, rope_length, ahead) for body in self.config.bodies)
        return RopeState(rod, at_rest(rod, position), jnp.asarray(scenario["friction"]), goal, targets, bodies)

    def step(self, state: RopeState, action: Float[Array, " A"], key: PRNGKeyArray) -> RopeState:
        """All sub-steps of one control period, with the held vertices at constant velocities."""
        config, handles = self.config, self._handles(state, action)
        given = (self._surroundings(state), constant(handles), self._scheme(state))
        bodies = state.bodies
        if config.bodies:
            start = Together(state.body, state.bodies)
            seen = travel_together(self.execution, state.rod, self._bodies(state), start, *given, steps=config.substeps)
            bodies, seen = jax.tree.map(lambda leaf: leaf[-1], seen.bodies), seen.rod
        else:
            seen = self.execution.travel(state.rod, state.body, *given, steps=config.substeps)
        body, targets = jax.tree.map(lambda leaf: leaf[-1], seen), None
        if handles.springs is not None:
            there = later(handles, jnp.asarray(config.control_period, state.goal.dtype)).springs
            targets = there.place[jnp.asarray(config.held)]
        return RopeState(state.rod, body, state.friction, state.goal, targets, bodies)

    def observe(self, state: RopeState) -> Observation:
        """Positions [m] and velocities [m/s], vertex by vertex, the goal [m], and place and turn of each body."""
        body = state.body
        seen = {"vertices": body.position.ravel(), "velocities": body.velocity.ravel(), "goal": state.goal}
        if state.bodies:
            seen["bodies"] = jnp.concatenate([jnp.concatenate([one.place, one.turn]) for one in state.bodies])
        return seen

    def reward(self, state: RopeState, action: Float[Array, " A"], next_state: RopeState) -> Float[Array, ""]:
        """Minus the distance of the free end from the goal [m]."""
        return -length(next_state.body.position[-1] - next_state.goal)

    def terminal(self, state: RopeState) -> Bool[Array, ""]:
        """Never."""
        return jnp.zeros((), bool)

    def _rod(self, scenario: Scenario, position: Array) -> Rod:
        stiffness, kind = jnp.asarray(scenario["stiffness"]), position.dtype
        line_density = jnp.asarray(scenario["mass"]) / jnp.asarray(scenario["length"])
        radius = jnp.asarray(self.config.radius, kind)
        return uniform_rod(
            position,
            stretch=jnp.zeros((), kind),  # projection keeps the lengths
            bend=jnp.stack([stiffness, stiffness]),
            twist=_TWIST_SHARE * stiffness,
            line_density=line_density,
            polar_density=0.5 * line_density * radius**2,
            radius=radius,
        )

    def _handles(self, state: RopeState, action: Array) -> Handles:
        config, rod, index = self.config, state.rod, jnp.asarray(self.config.held)
        kind = rod.mass.dtype
        told = jnp.clip(action, -config.speed, config.speed).reshape(-1, 3).astype(kind)
        if config.grip is None:
            return move(hold(free(rod), *config.held), index, told)
        grip, place = config.grip, state.body.position[index]
        away = state.targets - place
        reach = jnp.maximum(length(away) * grip.stiffness / grip.strength, 1.0)
        jaws = Spring(*(jnp.asarray(number, kind) for number in (grip.stiffness, grip.damping, grip.strength)))
        return move(grasp(free(rod), index, place + away / reach[:, None], jaws), index, told)

    def _bodies(self, state: RopeState) -> Bodies:
        contact = self._surroundings(state).contact
        heavy = dataclasses.replace(contact, stiffness=jnp.asarray(_BODY_STIFFNESS, state.goal.dtype))
        kinds = tuple(_body(body, state.goal.dtype) for body in self.config.bodies)
        return Bodies(kinds, contact=contact, ground=heavy)

    def _scheme(self, state: RopeState) -> Scheme:
        step = jnp.asarray(self.config.control_period / self.config.substeps, state.goal.dtype)
        return Scheme(step, inextensible=True, sweeps=self.config.sweeps)

    def _surroundings(self, state: RopeState) -> Surroundings:
        kind = state.goal.dtype
        stiffness, smoothing, damping, drag, zero = (
            jnp.asarray(value, kind) for value in (_FLOOR_STIFFNESS, _SMOOTHING, _FLOOR_DAMPING, self.config.drag, 0.0)
        )
        up = jnp.array([0.0, 0.0, 1.0], kind)
        contact = Contact(stiffness, smoothing, state.friction, state.friction, damping)
        itself = contact if self.config.self_contact else None
        floor = Plane(up, zero)
        return Surroundings(-EARTH * up, drag, drag, shapes=(floor,), contact=contact, self_contact=itself)


def _body(config: BodyConfig, kind: Any) -> Body:
    body = ball(config.half[0], config.mass) if config.round else brick(config.half, config.mass, _ROUNDING)
    return jax.tree.map(lambda leaf: leaf.astype(kind), body)


def _lying(config: BodyConfig, rope_length: Array, ahead: Array) -> BodyState:
    """On the floor beside the rope, with its axes along it."""
    x, y = ahead[0], ahead[1]
    left = jnp.stack([-y, x, jnp.zeros_like(x)])
    height = jnp.zeros_like(ahead).at[2].set(config.half[2])
    place = config.ahead * rope_length * ahead + config.aside * left + height
    half = 0.5 * jnp.arctan2(y, x)
    zero = jnp.zeros_like(ahead)
    return BodyState(place, jnp.stack([jnp.cos(half), zero[0], zero[0], jnp.sin(half)]), zero, zero)


def _spec(config: RopeConfig) -> EnvSpec:
    flat, axes = (3 * config.vertices,), ("x", "y", "z")
    names = tuple(f"{axis}_{vertex}" for vertex in config.held for axis in axes)
    observation = {
        "vertices": ArraySpec(flat, "m"),
        "velocities": ArraySpec(flat, "m/s"),
        "goal": ArraySpec((3,), "m", names=axes),
    }
    if config.bodies:
        observation["bodies"] = ArraySpec((7 * len(config.bodies),), "1")
    action = ArraySpec((len(names),), "m/s", -config.speed, config.speed, names=names)
    return EnvSpec("rope", observation, action, config.control_period, _FACTORS)
