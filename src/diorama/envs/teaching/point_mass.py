"""A point mass on a plane, integrated exactly: every state has a closed form."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import ArraySpec, Env, EnvSpec, Factor, Module, ScenarioSpace, field
from diorama.core.env import Observation, Scenario

_SPEC = EnvSpec(
    "point-mass",
    {
        "position": ArraySpec((2,), "m", names=("x", "y")),
        "velocity": ArraySpec((2,), "m/s", names=("x", "y")),
    },
    ArraySpec((2,), "N", -1.0, 1.0, names=("x", "y")),
    control_period=0.1,
    scenario=ScenarioSpace(
        {
            "mass": Factor(1.0, 0.2, 5.0, "kg"),
            "start": Factor(1.0, 0.0, 3.0, "m", "half-width of the square of start positions"),
        }
    ),
)


class PointMassState(Module):
    """Position [m], velocity [m/s] and mass [kg]."""

    position: Float[Array, " 2"]
    velocity: Float[Array, " 2"]
    mass: Float[Array, ""]


class PointMass(Env):
    """``x'' = F / m`` without friction; the force is held over a control period, so each step is exact.

    Under a constant force ``x(t) = x0 + v0 t + F t^2 / (2 m)``. The reward is minus the squared distance to the
    origin minus 0.1 times the squared force; it never ends.
    """

    spec: EnvSpec = field(static=True, default=_SPEC)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> PointMassState:
        """At rest, uniform in the start square."""
        half_width = jnp.asarray(scenario["start"])
        position = half_width * jax.random.uniform(key, (2,), half_width.dtype, -1.0, 1.0)
        return PointMassState(position, jnp.zeros_like(position), jnp.asarray(scenario["mass"]))

    def step(self, state: PointMassState, action: Float[Array, " A"], key: PRNGKeyArray) -> PointMassState:
        """The exact solution one control period later."""
        period, acceleration = self.spec.control_period, action / state.mass
        position = state.position + period * state.velocity + 0.5 * period**2 * acceleration
        return PointMassState(position, state.velocity + period * acceleration, state.mass)

    def observe(self, state: PointMassState) -> Observation:
        """Position [m] and velocity [m/s]."""
        return {"position": state.position, "velocity": state.velocity}

    def reward(self, state: PointMassState, action: Float[Array, " A"], next_state: PointMassState) -> Float[Array, ""]:
        """``-|x|^2 - 0.1 |F|^2`` with the position after the step."""
        return -jnp.sum(next_state.position**2) - 0.1 * jnp.sum(action**2)

    def terminal(self, state: PointMassState) -> Bool[Array, ""]:
        """Never."""
        return jnp.zeros((), bool)
