"""A round finger pushes a puck over a table to its goal: the smallest world in which a policy acts through contact."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import ArraySpec, Env, EnvSpec, Factor, Module, ScenarioSpace, field
from diorama.core.env import Observation, Scenario
from diorama.core.invariant import Invariant, Seen

TOUCH = 0.15
"""Distance of the centres of finger (5 cm) and puck (10 cm) in contact [m]."""
SUBSTEPS = 5
STRIDE = 0.12
"""Largest displacement of the finger in a step along each axis [m]."""
PLACED = 0.06
"""The puck is at its goal, the origin, within this distance [m]."""
_SPEC = EnvSpec(
    "puck",
    {"state": ArraySpec((6,), "1", names=("finger_x_m", "finger_y_m", "x_m", "y_m", "x_m_s", "y_m_s"))},
    ArraySpec((2,), "m", -STRIDE, STRIDE, names=("step_x", "step_y")),
    control_period=0.1,
    scenario=ScenarioSpace(
        {
            "glide": Factor(0.2, 0.0, 0.9, "1", "share of its velocity that the puck keeps over a step"),
            "grip": Factor(0.0, 0.0, 0.5, "1", "share of the finger's sideways motion that a touched puck takes on"),
            "noise": Factor(0.0, 0.0, 0.05, "m", "standard deviation of the puck's motion while it is touched"),
        }
    ),
)


class PuckState(Module):
    """Positions of finger and puck [m], the puck's velocity [m/s], and glide, grip and noise ``[3]``."""

    finger: Float[Array, " 2"]
    puck: Float[Array, " 2"]
    velocity: Float[Array, " 2"]
    factors: Float[Array, " 3"]


class Puck(Env):
    """Quasi-static pushing of a disc: where finger and puck overlap, the puck gives way along the line of centres.

    It starts 0.25 to 0.5 m from its goal and the finger 0.25 to 0.4 m from it. The reward is minus the distance to the
    goal [m], minus a third of the finger's distance to the place behind the puck from which a push goes home [m], plus
    1 in place. It never ends.
    """

    spec: EnvSpec = field(static=True, default=_SPEC)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> PuckState:
        """At rest, at a random place and the finger at a random side."""
        near, beside, around, side = jax.random.uniform(key, (4,))
        puck = (0.25 + 0.25 * near) * _direction(2 * jnp.pi * around)
        finger = puck + (0.25 + 0.15 * beside) * _direction(2 * jnp.pi * side)
        return PuckState(finger, puck, jnp.zeros(2), _factors(scenario))

    def step(self, state: PuckState, action: Float[Array, " A"], key: PRNGKeyArray) -> PuckState:
        """Glide, then five small moves of the finger, each of which the puck yields to."""
        glide, grip, noise = state.factors
        move = jnp.clip(action, -STRIDE, STRIDE) / SUBSTEPS
        puck = state.puck + glide * state.velocity * self.spec.control_period
        first, touched = puck, jnp.zeros((), bool)
        finger = state.finger
        for _ in range(SUBSTEPS):
            finger = finger + move
            puck, touch = _yielded(finger, move, puck, grip)
            touched = touched | touch
        puck = puck + jnp.where(touched, noise, 0.0) * jax.random.normal(key, (2,))
        velocity = jnp.where(touched, (puck - first) / self.spec.control_period, glide * state.velocity)
        return PuckState(finger, puck, velocity, state.factors)

    def observe(self, state: PuckState) -> Observation:
        """Finger and puck [m], and the puck's velocity [m/s]."""
        return {"state": jnp.concatenate([state.finger, state.puck, state.velocity])}

    def seen_at(self, observation: Observation, key: PRNGKeyArray) -> PuckState:
        """The state that an observation shows, under the default scenario."""
        finger, puck, velocity = jnp.split(observation["state"], 3)
        return PuckState(finger, puck, velocity, _factors(self.spec.scenario.default()))

    def reward(self, state: PuckState, action: Float[Array, " A"], next_state: PuckState) -> Float[Array, ""]:
        """How near home the puck is and how well the finger stands."""
        away = _length(next_state.puck)
        behind = next_state.puck * (1 + TOUCH / away)
        bonus = jnp.where(away < PLACED, 1.0, 0.0)
        return bonus - away - _length(next_state.finger - behind) / 3

    def terminal(self, state: PuckState) -> Bool[Array, ""]:
        """Never."""
        return jnp.zeros((), bool)


def puck_placed(trajectory: Module) -> np.ndarray:
    """Whether the puck is within 6 cm of its goal after any step, bool ``[*batch]``."""
    away = np.linalg.norm(np.asarray(trajectory.observation["state"])[..., 1:, 2:4], axis=-1)
    return np.any((away < PLACED) & np.asarray(trajectory.mask), axis=-1)


def _yielded(
    finger: Float[Array, " 2"], move: Float[Array, " 2"], puck: Float[Array, " 2"], grip: Float[Array, ""]
) -> tuple[Float[Array, " 2"], Bool[Array, ""]]:
    away = puck - finger
    distance = _length(away)
    normal, overlap = away / distance, TOUCH - distance
    dragged = grip * (move - (move @ normal) * normal)
    return jnp.where(overlap > 0, puck + overlap * normal + dragged, puck), overlap > 0


def _direction(angle: Float[Array, ""]) -> Float[Array, " 2"]:
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)])


def _length(vector: Float[Array, " 2"]) -> Float[Array, ""]:
    return jnp.sqrt(jnp.sum(vector**2) + 1e-8)


def _factors(scenario: Scenario) -> Float[Array, " 3"]:
    return jnp.stack([jnp.asarray(scenario[name], jnp.float32) for name in ("glide", "grip", "noise")])


def _untouched(before: Seen, action: np.ndarray, after: Seen) -> np.ndarray:
    """How much farther the puck moved [m] than it glides, though the finger never came near."""
    first, then = (np.asarray(seen["state"], np.float64) for seen in (before, after))
    share = np.linspace(0.0, 1.0, 6)[:, None]
    path = first[..., None, 0:2] + share * (then - first)[..., None, 0:2]
    apart = np.linalg.norm(path - first[..., None, 2:4], axis=-1).min(axis=-1)
    glided = np.linalg.norm(first[..., 4:6], axis=-1) * _SPEC.control_period
    moved = np.linalg.norm((then - first)[..., 2:4], axis=-1)
    # No puck glides on by more than half of its last motion: that separates gliding from energy out of nothing.
    return np.where(apart > TOUCH + 0.03, np.maximum(moved - 0.5 * glided, 0.0), 0.0)


def _driven(before: Seen, action: np.ndarray, after: Seen) -> np.ndarray:
    """How much farther the puck moved [m] than the finger and its own gliding drive it."""
    first, then = (np.asarray(seen["state"], np.float64) for seen in (before, after))
    moved, path = (np.linalg.norm((then - first)[..., part], axis=-1) for part in (slice(2, 4), slice(0, 2)))
    glided = np.linalg.norm(first[..., 4:6], axis=-1) * _SPEC.control_period
    return np.maximum(moved - path - glided, 0.0)


def _overlap(before: Seen, action: np.ndarray, after: Seen) -> np.ndarray:
    """How deep finger and puck overlap after the step [m]."""
    then = np.asarray(after["state"], np.float64)
    return np.maximum(TOUCH - np.linalg.norm(then[..., 0:2] - then[..., 2:4], axis=-1), 0.0)


PUCK_LAWS = (
    Invariant("no motion without touch", "m", 0.03, _untouched, "object permanence: an untouched puck comes to rest"),
    Invariant("no free energy", "m", 0.06, _driven, "the puck moves no farther than it is driven"),
    Invariant("no penetration", "m", 0.05, _overlap, "finger and puck do not overlap"),
)
"""The laws of every world with a puck."""
