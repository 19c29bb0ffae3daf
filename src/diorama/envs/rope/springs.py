"""Springs with dampers that draw vertices and sections to targets, with no more than a largest force.

The law of each is ``force = stiffness (target - place) + damping (rate of target - rate)``, cut to the length
``limit``. In a sub-step it is taken where the rod is, as the other forces are, with a damping that stops a vertex at
most and never throws it back: ``damping / (1 + step damping / mass)``, that of an implicit step of the damper alone. So
a handle bears what hangs on it at the sag that its stiffness gives, and never more than its limit. Implicit steps add
the potential of the law to their own: a parabola that goes on as a line (Huber 1964).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module


class Spring(Module):
    """Stiffness, damping and the largest force: [N/m, N s/m, N] of a vertex, [N m/rad, N m s/rad, N m] of a section."""

    stiffness: Float[Array, "*N"]
    damping: Float[Array, "*N"]
    limit: Float[Array, "*N"]


class Springs(Module):
    """Where the targets of vertices [m] and of sections [rad, against the reference frames] are, and what draws there.

    How fast they move is in the `Handles` that hold them.
    """

    place: Float[Array, "*V 3"]
    angle: Float[Array, "*E"]
    pull: Spring
    twist: Spring


def spring(stiffness: float, damping: float, limit: float) -> Spring:
    """One, of these numbers."""
    return Spring(*(jnp.asarray(value, float) for value in (stiffness, damping, limit)))


def drawn(
    held: Spring,
    inertia: Float[Array, " N"],
    away: Float[Array, "N K"],
    slower: Float[Array, "N K"],
    step: Float[Array, ""],
) -> Float[Array, "N K"]:
    """The forces in a sub-step, of springs whose targets are ``away`` and faster than what they draw by ``slower``."""
    damping = held.damping / (1.0 + step * held.damping / inertia)
    force = held.stiffness[:, None] * away + damping[:, None] * slower
    square = jnp.sum(force**2, -1)
    over = square > held.limit**2
    share = jnp.where(over, held.limit, 1.0) / jnp.sqrt(jnp.where(over, square, 1.0))
    return share[:, None] * force


def potential(
    held: Spring,
    away: Float[Array, "N K"],
    told: Float[Array, "N K"],
    moved: Float[Array, "N K"],
    step: Float[Array, ""],
) -> Float[Array, ""]:
    """Energy [J] of a step by ``moved`` whose slope is the force at its end.

    ``away`` leads to the targets before the step, which move with the rate ``told``.
    """
    stiff = held.stiffness + held.damping / step
    safe = jnp.where(stiff > 0.0, stiff, 1.0)
    towards = (held.stiffness[:, None] * away + stiff[:, None] * step * told) / safe[:, None]
    square = jnp.sum((towards - moved) ** 2, -1)
    over = stiff**2 * square > held.limit**2
    size = jnp.sqrt(jnp.where(over, square, 1.0))
    return jnp.sum(jnp.where(over, held.limit * (size - 0.5 * held.limit / safe), 0.5 * stiff * square))
