"""A ball and a wall: the smallest world with a discontinuous contact."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import ArraySpec, Env, EnvSpec, Factor, Module, ScenarioSpace, field
from diorama.core.env import Observation, Scenario

_SPEC = EnvSpec(
    "ball-wall",
    {"state": ArraySpec((2,), names=("position_m", "velocity_m_s"))},
    ArraySpec((1,), "m/s", -1.0, 1.0, names=("kick",)),
    control_period=0.1,
    scenario=ScenarioSpace(
        {
            "wall": Factor(1.0, 0.5, 2.0, "m", "position of the wall"),
            "restitution": Factor(0.8, 0.0, 1.0, "1", "speed after the hit over speed before it"),
        }
    ),
)


class BallWallState(Module):
    """Position [m], velocity [m/s], wall position [m] and restitution."""

    position: Float[Array, ""]
    velocity: Float[Array, ""]
    wall: Float[Array, ""]
    restitution: Float[Array, ""]


class BallWall(Env):
    """A ball on a line flies freely, a kick changes its velocity, a wall reflects it at the exact time of the hit.

    The position is continuous and the velocity jumps, so the derivative of the position with respect to the kick
    changes sign at the hit: before it is ``dt``, after it is ``-e dt``. It never ends.
    """

    spec: EnvSpec = field(static=True, default=_SPEC)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> BallWallState:
        """At rest, uniform between 0 and 0.4 m."""
        wall = jnp.asarray(scenario["wall"])
        position = jax.random.uniform(key, (), wall.dtype, 0.0, 0.4)
        return BallWallState(position, jnp.zeros_like(position), wall, jnp.asarray(scenario["restitution"]))

    def step(self, state: BallWallState, action: Float[Array, " A"], key: PRNGKeyArray) -> BallWallState:
        """Kick, fly, and reflect where the flight would cross the wall."""
        velocity = state.velocity + action[0]
        free = state.position + self.spec.control_period * velocity
        hit = free > state.wall
        reflected = state.wall - state.restitution * (free - state.wall)
        position = jnp.where(hit, reflected, free)
        return BallWallState(
            position, jnp.where(hit, -state.restitution * velocity, velocity), state.wall, state.restitution
        )

    def observe(self, state: BallWallState) -> Observation:
        """Position [m] and velocity [m/s]."""
        return {"state": jnp.stack([state.position, state.velocity])}

    def reward(self, state: BallWallState, action: Float[Array, " A"], next_state: BallWallState) -> Float[Array, ""]:
        """Minus the squared distance [m^2] to the origin, minus 0.01 times the squared kick."""
        return -(next_state.position**2) - 0.01 * jnp.sum(action**2)

    def terminal(self, state: BallWallState) -> Bool[Array, ""]:
        """Never."""
        return jnp.zeros((), bool)
