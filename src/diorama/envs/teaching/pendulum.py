"""The torque-limited pendulum, equal to Gymnasium's ``Pendulum-v1``."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import ArraySpec, Env, EnvSpec, Factor, Module, ScenarioSpace, field
from diorama.core.env import Observation, Scenario

_MAX_SPEED = 8.0
_SPEC = EnvSpec(
    "pendulum",
    {"state": ArraySpec((3,), "1", (-1.0, -1.0, -_MAX_SPEED), (1.0, 1.0, _MAX_SPEED), names=("cos", "sin", "rad_s"))},
    ArraySpec((1,), "N m", -2.0, 2.0, names=("torque",)),
    control_period=0.05,
    scenario=ScenarioSpace(
        {
            "mass": Factor(1.0, 0.5, 2.0, "kg"),
            "length": Factor(1.0, 0.5, 2.0, "m"),
            "gravity": Factor(10.0, 5.0, 15.0, "m/s^2"),
        }
    ),
)


class PendulumState(Module):
    """Angle [rad, 0 upright], angular velocity [rad/s], and the mass, length and gravity in force."""

    angle: Float[Array, ""]
    velocity: Float[Array, ""]
    mass: Float[Array, ""]
    length: Float[Array, ""]
    gravity: Float[Array, ""]


class Pendulum(Env):
    """A rod swung by a weak motor: 200 steps of 0.05 s are an episode in the literature.

    Dynamics, reward and start distribution are those of Gymnasium's ``Pendulum-v1`` (semi-implicit Euler,
    speed clipped at 8 rad/s). It never ends.
    """

    spec: EnvSpec = field(static=True, default=_SPEC)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> PendulumState:
        """Angle uniform in +-pi rad, velocity uniform in +-1 rad/s."""
        mass, length, gravity = (jnp.asarray(scenario[name]) for name in ("mass", "length", "gravity"))
        angle, velocity = jax.random.uniform(key, (2,), mass.dtype, -1.0, 1.0) * jnp.array([jnp.pi, 1.0], mass.dtype)
        return PendulumState(angle, velocity, mass, length, gravity)

    def step(self, state: PendulumState, action: Float[Array, " A"], key: PRNGKeyArray) -> PendulumState:
        """Semi-implicit Euler over 0.05 s; the torque is clipped to its bounds."""
        period, torque = self.spec.control_period, jnp.clip(action[0], -2.0, 2.0)
        gravity = 1.5 * state.gravity / state.length * jnp.sin(state.angle)
        velocity = state.velocity + period * (gravity + 3.0 / (state.mass * state.length**2) * torque)
        velocity = jnp.clip(velocity, -_MAX_SPEED, _MAX_SPEED)
        angle = state.angle + period * velocity
        return PendulumState(angle, velocity, state.mass, state.length, state.gravity)

    def observe(self, state: PendulumState) -> Observation:
        """``[cos, sin, angular velocity]``."""
        return {"state": jnp.stack([jnp.cos(state.angle), jnp.sin(state.angle), state.velocity])}

    def reward(self, state: PendulumState, action: Float[Array, " A"], next_state: PendulumState) -> Float[Array, ""]:
        """``-(angle^2 + 0.1 velocity^2 + 0.001 torque^2)`` of the state before the step, angle within +-pi."""
        angle = jnp.mod(state.angle + jnp.pi, 2 * jnp.pi) - jnp.pi
        torque = jnp.clip(action[0], -2.0, 2.0)
        return -(angle**2 + 0.1 * state.velocity**2 + 0.001 * torque**2)

    def terminal(self, state: PendulumState) -> Bool[Array, ""]:
        """Never."""
        return jnp.zeros((), bool)
