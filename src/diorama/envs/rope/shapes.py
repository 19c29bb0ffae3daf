"""Rigid shapes that a rod can touch, as signed distances [m]: positive outside, negative inside."""

import abc

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.envs.rope.vectors import length, unit


class Shape(Module):
    """A fixed shape. The derivative of its distance is the normal, of length one almost everywhere."""

    @abc.abstractmethod
    def distance(self, point: Float[Array, " 3"]) -> Float[Array, ""]:
        """Signed distance [m] of a point [m] from the surface."""


class Plane(Shape):
    """Everything below: the points with ``normal . point < height``. ``normal`` need not have length one."""

    normal: Float[Array, " 3"]
    height: Float[Array, ""]

    def distance(self, point: Float[Array, " 3"]) -> Float[Array, ""]:
        """Height over the plane."""
        return jnp.sum(unit(self.normal) * point) - self.height


class Sphere(Shape):
    """A ball."""

    centre: Float[Array, " 3"]
    radius: Float[Array, ""]

    def distance(self, point: Float[Array, " 3"]) -> Float[Array, ""]:
        """From the centre, less the radius."""
        return length(point - self.centre) - self.radius


class Capsule(Shape):
    """A cylinder with round ends, such as a post: all within ``radius`` of the line from ``start`` to ``end``."""

    start: Float[Array, " 3"]
    end: Float[Array, " 3"]
    radius: Float[Array, ""]

    def distance(self, point: Float[Array, " 3"]) -> Float[Array, ""]:
        """From the nearest point of the axis, less the radius."""
        axis, away = self.end - self.start, point - self.start
        share = jnp.clip(jnp.sum(away * axis) / jnp.maximum(jnp.sum(axis * axis), 1e-30), 0.0, 1.0)
        return length(away - share * axis) - self.radius


class Box(Shape):
    """A box along the axes, with half edges ``half``, rounded by ``rounding`` (which adds to the half edges)."""

    centre: Float[Array, " 3"]
    half: Float[Array, " 3"]
    rounding: Float[Array, ""]

    def distance(self, point: Float[Array, " 3"]) -> Float[Array, ""]:
        """Exact outside, and inside the distance to the nearest face."""
        away = jnp.abs(point - self.centre) - self.half
        return length(jnp.maximum(away, 0.0)) + jnp.minimum(jnp.max(away), 0.0) - self.rounding
