"""Two point masses on massless rods: chaotic, and without torque its energy is conserved."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import ArraySpec, Env, EnvSpec, Factor, Module, ScenarioSpace, field
from diorama.core.env import Observation, Scenario

_SUBSTEPS = 5
_SPEC = EnvSpec(
    "double-pendulum",
    {"state": ArraySpec((6,), names=("cos_1", "sin_1", "cos_2", "sin_2", "rad_s_1", "rad_s_2"))},
    ArraySpec((2,), "N m", -5.0, 5.0, names=("shoulder", "elbow")),
    control_period=0.05,
    scenario=ScenarioSpace(
        {
            "mass": Factor(1.0, 0.5, 2.0, "kg", "of each of the two bobs"),
            "length": Factor(1.0, 0.5, 2.0, "m", "of each of the two rods"),
            "spread": Factor(0.5, 0.0, 3.14, "rad", "half-width of the start angles about hanging"),
        }
    ),
)
_GRAVITY = 9.81


class DoublePendulumState(Module):
    """Absolute angles [rad, 0 hanging], their rates [rad/s], mass [kg] and length [m]."""

    angle: Float[Array, " 2"]
    velocity: Float[Array, " 2"]
    mass: Float[Array, ""]
    length: Float[Array, ""]


class DoublePendulum(Env):
    """Lagrange's equations for two equal bobs, by five Runge-Kutta steps of 0.01 s a control period.

    Small swings have the angular frequencies ``sqrt((2 -+ sqrt 2) g / l)``. The reward is the height of the tip over
    its lowest point [m]; it never ends.
    """

    spec: EnvSpec = field(static=True, default=_SPEC)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> DoublePendulumState:
        """At rest, both angles uniform about hanging."""
        spread = jnp.asarray(scenario["spread"])
        angle = spread * jax.random.uniform(key, (2,), spread.dtype, -1.0, 1.0)
        mass, length = jnp.asarray(scenario["mass"]), jnp.asarray(scenario["length"])
        return DoublePendulumState(angle, jnp.zeros_like(angle), mass, length)

    def step(self, state: DoublePendulumState, action: Float[Array, " A"], key: PRNGKeyArray) -> DoublePendulumState:
        """Five classical Runge-Kutta steps under constant torques [N m]."""
        period = self.spec.control_period / _SUBSTEPS
        packed = jnp.concatenate([state.angle, state.velocity])

        def derivative(y: Array) -> Array:
            return jnp.concatenate([y[2:], _acceleration(y[:2], y[2:], action, state.mass, state.length)])

        for _ in range(_SUBSTEPS):
            packed = _runge_kutta(derivative, packed, period)
        return DoublePendulumState(packed[:2], packed[2:], state.mass, state.length)

    def observe(self, state: DoublePendulumState) -> Observation:
        """Cosine and sine of each angle, then the rates [rad/s]."""
        first, second = state.angle
        circle = jnp.stack([jnp.cos(first), jnp.sin(first), jnp.cos(second), jnp.sin(second)])
        return {"state": jnp.concatenate([circle, state.velocity])}

    def reward(
        self, state: DoublePendulumState, action: Float[Array, " A"], next_state: DoublePendulumState
    ) -> Float[Array, ""]:
        """Height of the tip over its lowest point [m], after the step."""
        return next_state.length * (2.0 - jnp.cos(next_state.angle).sum())

    def terminal(self, state: DoublePendulumState) -> Bool[Array, ""]:
        """Never."""
        return jnp.zeros((), bool)

    def energy(self, state: DoublePendulumState) -> Float[Array, ""]:
        """Kinetic plus potential energy [J]; conserved without torque."""
        rates, angle = state.velocity, state.angle
        coupling = rates[0] * rates[1] * jnp.cos(angle[0] - angle[1])
        kinetic = state.mass * state.length**2 * (rates[0] ** 2 + 0.5 * rates[1] ** 2 + coupling)
        return kinetic - state.mass * _GRAVITY * state.length * (2 * jnp.cos(angle[0]) + jnp.cos(angle[1]))


def _acceleration(angle: Array, rate: Array, torque: Array, mass: Array, length: Array) -> Array:
    difference = angle[0] - angle[1]
    inertia = mass * length**2
    coupling = inertia * jnp.cos(difference)
    matrix = jnp.stack([jnp.stack([2 * inertia, coupling]), jnp.stack([coupling, inertia])])
    centrifugal = inertia * jnp.sin(difference) * jnp.stack([-(rate[1] ** 2), rate[0] ** 2])
    weight = -mass * _GRAVITY * length * jnp.stack([2 * jnp.sin(angle[0]), jnp.sin(angle[1])])
    drive = jnp.stack([torque[0] - torque[1], torque[1]])
    right = centrifugal + weight + drive
    determinant = matrix[0, 0] * matrix[1, 1] - coupling**2
    return (
        jnp.stack(
            [
                matrix[1, 1] * right[0] - coupling * right[1],
                matrix[0, 0] * right[1] - coupling * right[0],
            ]
        )
        / determinant
    )


def _runge_kutta(derivative, y: Array, period: float) -> Array:
    first = derivative(y)
    second = derivative(y + 0.5 * period * first)
    third = derivative(y + 0.5 * period * second)
    fourth = derivative(y + period * third)
    return y + period / 6.0 * (first + 2 * second + 2 * third + fourth)
