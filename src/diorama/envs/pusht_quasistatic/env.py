"""Push-T by quasi-static pushing, as a pure, differentiable `Env`."""

from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from diorama.core import Env, EnvSpec, Module, SpecError, field
from diorama.core.env import Observation, Scenario
from diorama.envs.pusht.coverage import REWARD_COVERAGE
from diorama.envs.pusht.coverage_jax import coverage
from diorama.envs.pusht.env import PushT
from diorama.envs.pusht.geometry import TABLE, UNIT_CENTRE, keypoints
from diorama.envs.pusht.interface import Absolute, Interface
from diorama.envs.pusht.physics import SUBSTEP
from diorama.envs.pusht.scenario import SCENARIOS
from diorama.envs.pusht_quasistatic.contact import turned
from diorama.envs.pusht_quasistatic.dynamics import Bodies, Law, advance
from diorama.envs.pusht_quasistatic.factors import PHYSICAL
from diorama.envs.pusht_quasistatic.parameters import Parameters, by_geometry

OBSERVATIONS = ("state", "keypoints", "features")
_CORNERS = keypoints(np.zeros(2), np.zeros(()), 1.0)
_DELAY = round(float(SCENARIOS.factors["latency"].high) / SUBSTEP)


class Setup(Module):
    """What stays over an episode: the factors that the physics asks for, the goal, and the latency in substeps."""

    law: Law
    goal_pose: Float[Array, " 3"]
    goal_scale: Float[Array, ""]
    latency: Int[Array, ""]


class QuasiStaticState(Module):
    """Where everything is, the targets that are still on their way to the agent (the newest last), and the setup."""

    bodies: Bodies
    waiting: Float[Array, "D 2"]
    setup: Setup


@final
class QuasiStaticPushT(Env):
    """Push-T without inertia: the tee yields to the agent by an ellipsoidal limit surface (`yielded`).

    Names, units, bounds, action, control period, reward and end are those of `diorama.envs.pusht.PushT`, and so are
    the factors of variation but for the colours; there are no pictures. ``parameters``: by default those of an evenly
    resting tee (`by_geometry`); `identify` finds them from real transitions.

    Differences in structure: no velocities of the block, no memory of contacts, one law of yielding, dry friction that
    may stick. Equal: the agent's law (100 Hz) and the shapes. ``block_mass`` shortens the lever with
    its root, because gym-pusht keeps the moment of inertia.
    """

    spec: EnvSpec = field(static=True)
    interface: Interface = field(static=True)
    parameters: Parameters

    def __init__(
        self,
        interface: Interface | None = None,
        observations: tuple[str, ...] = ("state",),
        parameters: Parameters | None = None,
    ):
        if unknown := sorted(set(observations) - set(OBSERVATIONS)):
            raise SpecError(f"The quasi-static Push-T does not show {unknown}; choose from {list(OBSERVATIONS)}.")
        self.interface = interface or Absolute()
        self.parameters = parameters or by_geometry()
        shown = PushT(self.interface, observations).spec
        self.spec = EnvSpec(
            f"{shown.name}-quasistatic", shown.observation, shown.action, shown.control_period, PHYSICAL
        )

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> QuasiStaticState:
        """At rest, uniform in the regions of the scenario, at any angle. `start_at` takes gym-pusht's starts."""
        agent_key, block_key, angle_key = jax.random.split(key, 3)
        places = (
            jax.random.uniform(use, (2,), minval=scenario[f"{name}_low"], maxval=scenario[f"{name}_high"])
            for use, name in ((agent_key, "agent"), (block_key, "block"))
        )
        angle = jax.random.uniform(angle_key, (1,), minval=-jnp.pi, maxval=jnp.pi)
        agent, block = (jnp.floor(place) for place in places)
        centre = jnp.array(UNIT_CENTRE) * scenario["block_scale"]
        return self.start_at(jnp.concatenate([agent, block + centre - turned(centre, angle[0]), angle]), scenario)

    def start_at(
        self, pose: Float[Array, " 5"], scenario: Scenario, velocity: Float[Array, " 2"] | None = None
    ) -> QuasiStaticState:
        """The state at this ``pose``, laid out as the observation ``state``, with this velocity of the agent [px/s]."""
        velocity = jnp.zeros(2) if velocity is None else velocity
        bodies = Bodies(pose[0:2], velocity, pose[2:4], pose[4])
        return QuasiStaticState(bodies, jnp.tile(pose[None, 0:2], (_DELAY, 1)), self._setup(scenario))

    def seen_at(self, observation: Observation, scenario: Scenario | None = None) -> QuasiStaticState:
        """The state that an observation with ``features`` (or else ``state``, at rest) shows; the default scenario."""
        scenario = {name: jnp.asarray(v) for name, v in (scenario or self.spec.scenario.default()).items()}
        if "features" not in observation:
            return self.start_at(observation["state"], scenario)
        seen = observation["features"]
        angle = jnp.arctan2(seen[7], seen[6])
        return self.start_at(jnp.concatenate([seen[0:2], seen[4:6], angle[None]]), scenario, seen[2:4])

    def step(self, state: QuasiStaticState, action: Float[Array, " A"], key: PRNGKeyArray) -> QuasiStaticState:
        """The state one control period later; nothing is random."""
        sent = _path(self.interface, action, state.bodies.agent_xy)
        stream = jnp.concatenate([state.waiting, sent])
        arriving = _DELAY - state.setup.latency + jnp.arange(len(sent))
        bodies = advance(state.setup.law, state.bodies, stream[arriving])
        return QuasiStaticState(bodies, stream[-_DELAY:], state.setup)

    def observe(self, state: QuasiStaticState) -> Observation:
        """What `PushT` shows of such poses."""
        read = {"state": _observe_state, "keypoints": _observe_keypoints, "features": _observe_features}
        return {name: read[name](state) for name in self.spec.observation}

    def reward(
        self, state: QuasiStaticState, action: Float[Array, " A"], next_state: QuasiStaticState
    ) -> Float[Array, ""]:
        """Coverage after the step over 0.95, clipped to [0, 1]."""
        return jnp.minimum(covered(next_state) / REWARD_COVERAGE, 1.0)

    def terminal(self, state: QuasiStaticState) -> Bool[Array, ""]:
        """Whether the coverage exceeds 0.95."""
        return covered(state) > REWARD_COVERAGE

    def _setup(self, scenario: Scenario) -> Setup:
        given = self.parameters
        scale, friction = scenario["block_scale"], scenario["friction"]
        law = Law(
            scale=jnp.asarray(scale),
            radius=jnp.asarray(scenario["agent_radius"]),
            lever=given.lever * scale / jnp.sqrt(scenario["block_mass"]),
            centre=given.centre * scale,
            friction=given.grip + friction,
            wall_friction=jnp.asarray(friction),
            yielding=given.yielding,
        )
        goal = jnp.append(scenario["goal_position"], scenario["goal_angle"])
        latency = jnp.round(scenario["latency"] / SUBSTEP).astype(jnp.int32)
        return Setup(law, goal, scale * scenario["goal_size"], latency)


def covered(state: QuasiStaticState) -> Float[Array, ""]:
    """The share of the goal that the block covers, in [0, 1]."""
    bodies, setup = state.bodies, state.setup
    return coverage(bodies.block_xy, bodies.block_angle, setup.goal_pose, setup.law.scale, setup.goal_scale)


def _path(interface: Interface, action: Float[Array, " 2"], agent_xy: Float[Array, " 2"]) -> Float[Array, "S 2"]:
    """The targets of an action, as ``Interface.targets`` gives them on the host."""
    if isinstance(interface, Absolute):
        return jnp.broadcast_to(action, (interface.substeps, 2))
    goal = jnp.clip(agent_xy + action, 0.0, TABLE)
    share = (jnp.arange(1, interface.substeps + 1) / interface.substeps)[:, None]
    return agent_xy[None] + (goal - agent_xy)[None] * share


def _observe_state(state: QuasiStaticState) -> Float[Array, " 5"]:
    bodies = state.bodies
    return jnp.concatenate([bodies.agent_xy, bodies.block_xy, (bodies.block_angle % (2 * jnp.pi))[None]])


def _observe_keypoints(state: QuasiStaticState) -> Float[Array, " 18"]:
    bodies, scale = state.bodies, state.setup.law.scale
    corners = bodies.block_xy[None] + turned(jnp.asarray(_CORNERS, jnp.float32) * scale, bodies.block_angle)
    return jnp.concatenate([corners.reshape(-1), bodies.agent_xy])


def _observe_features(state: QuasiStaticState) -> Float[Array, " 8"]:
    bodies = state.bodies
    heading = jnp.stack([jnp.cos(bodies.block_angle), jnp.sin(bodies.block_angle)])
    return jnp.concatenate([bodies.agent_xy, bodies.agent_velocity, bodies.block_xy, heading])
