"""The cart-pole, equal to Gymnasium's ``CartPole-v1`` under forces of +-10 N."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import ArraySpec, Env, EnvSpec, Factor, Module, ScenarioSpace, field
from diorama.core.env import Observation, Scenario

_POSITION_LIMIT = 2.4
_ANGLE_LIMIT = 12 * 2 * jnp.pi / 360
_GRAVITY = 9.8
_CART_MASS = 1.0
_SPEC = EnvSpec(
    "cart-pole",
    {"state": ArraySpec((4,), names=("position_m", "velocity_m_s", "angle_rad", "rate_rad_s"))},
    ArraySpec((1,), "N", -10.0, 10.0, names=("force",)),
    control_period=0.02,
    scenario=ScenarioSpace(
        {
            "pole_mass": Factor(0.1, 0.05, 0.5, "kg"),
            "half_length": Factor(0.5, 0.25, 1.0, "m", "half of the pole's length"),
        }
    ),
)


class CartPoleState(Module):
    """``[position m, velocity m/s, angle rad, rate rad/s]``, pole mass [kg] and half length [m]."""

    motion: Float[Array, " 4"]
    pole_mass: Float[Array, ""]
    half_length: Float[Array, ""]


class CartPole(Env):
    """Balance a pole on a cart by a horizontal force. 500 steps are an episode in the literature.

    Equations of Barto, Sutton and Anderson (1983) with Gymnasium's constants and its explicit Euler step; the force
    is continuous here. Reward 1 a step; it ends beyond 2.4 m or 12 degrees.
    """

    spec: EnvSpec = field(static=True, default=_SPEC)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> CartPoleState:
        """All four numbers uniform in +-0.05."""
        mass, half_length = jnp.asarray(scenario["pole_mass"]), jnp.asarray(scenario["half_length"])
        return CartPoleState(jax.random.uniform(key, (4,), mass.dtype, -0.05, 0.05), mass, half_length)

    def step(self, state: CartPoleState, action: Float[Array, " A"], key: PRNGKeyArray) -> CartPoleState:
        """Explicit Euler over 0.02 s; the force is clipped to its bounds."""
        _, velocity, angle, rate = state.motion
        total = _CART_MASS + state.pole_mass
        moment = state.pole_mass * state.half_length
        push = (jnp.clip(action[0], -10.0, 10.0) + moment * rate**2 * jnp.sin(angle)) / total
        swing = _GRAVITY * jnp.sin(angle) - jnp.cos(angle) * push
        turn = swing / (state.half_length * (4.0 / 3.0 - state.pole_mass * jnp.cos(angle) ** 2 / total))
        acceleration = push - moment * turn * jnp.cos(angle) / total
        motion = state.motion + self.spec.control_period * jnp.stack([velocity, acceleration, rate, turn])
        return CartPoleState(motion, state.pole_mass, state.half_length)

    def observe(self, state: CartPoleState) -> Observation:
        """``[position m, velocity m/s, angle rad, rate rad/s]``."""
        return {"state": state.motion}

    def reward(self, state: CartPoleState, action: Float[Array, " A"], next_state: CartPoleState) -> Float[Array, ""]:
        """One for every step."""
        return jnp.ones((), state.motion.dtype)

    def terminal(self, state: CartPoleState) -> Bool[Array, ""]:
        """Whether the cart left the track or the pole fell."""
        return (jnp.abs(state.motion[0]) > _POSITION_LIMIT) | (jnp.abs(state.motion[2]) > _ANGLE_LIMIT)
