"""What acts on a rod from outside: weight, drag, loads, shapes to touch."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.envs.rope.contact import Contact
from diorama.envs.rope.shapes import Shape

EARTH = 9.81
"""Acceleration of gravity [m/s^2]."""


class Surroundings(Module):
    """Gravity [m/s^2], rates at which motion and spin decay [1/s], shapes, and how they and the rod itself are touched.

    ``force`` [V, 3] is a dead load [N] on the vertices. ``contact`` belongs to the shapes, ``self_contact`` to the rod
    with itself; None means that they pass through.
    """

    gravity: Float[Array, " 3"]
    drag: Float[Array, ""]
    spin_drag: Float[Array, ""]
    force: Float[Array, "V 3"] | None = None
    shapes: tuple[Shape, ...] = ()
    contact: Contact | None = None
    self_contact: Contact | None = None


def empty_space() -> Surroundings:
    """No weight, no drag, nothing to touch."""
    return Surroundings(jnp.zeros(3), jnp.zeros(()), jnp.zeros(()))


def on_earth(drag: float = 0.0, down: tuple[float, float, float] = (0.0, 0.0, -1.0)) -> Surroundings:
    """Weight and an even drag [1/s] of motion and spin."""
    rate = jnp.asarray(drag, float)
    return Surroundings(EARTH * jnp.asarray(down), rate, rate)
