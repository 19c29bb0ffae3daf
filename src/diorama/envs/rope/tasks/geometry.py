"""Shapes of curves, and what can be told about them: angles swept, crossings, distances. All in JAX."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.envs.rope.vectors import length


def swept(curve: Float[Array, "V 2"], centre: Float[Array, " 2"]) -> Float[Array, ""]:
    """The angle [rad] by which the view of a curve from ``centre`` turns, counter-clockwise."""
    return jnp.sum(turns(curve, centre))


def turns(curve: Float[Array, "V 2"], centre: Float[Array, " 2"]) -> Float[Array, " E"]:
    """The part of each edge in `swept`."""
    arm = curve - centre[None]
    arm, following = arm[:-1], arm[1:]
    crossed = arm[:, 0] * following[:, 1] - arm[:, 1] * following[:, 0]
    along = jnp.sum(arm * following, -1)
    # At the centre itself there is no angle, and no derivative.
    lost = (jnp.abs(crossed) + jnp.abs(along)) < 1e-12
    return jnp.where(lost, 0.0, jnp.arctan2(jnp.where(lost, 0.0, crossed), jnp.where(lost, 1.0, along)))


def crossings(
    curve: Float[Array, "V 3"], centre: Float[Array, " 3"], normal: Float[Array, " 3"], radius: float
) -> Float[Array, ""]:
    """How often a curve goes through a disc along its ``normal`` (of length one), less how often against it."""
    height = (curve - centre[None]) @ normal
    before, after = height[:-1], height[1:]
    through = (before < 0.0) != (after < 0.0)
    share = jnp.where(through, before / jnp.where(through, before - after, 1.0), 0.0)
    hit = curve[:-1] + share[:, None] * (curve[1:] - curve[:-1])
    inside = length(hit - centre[None]) < radius
    return jnp.sum(jnp.where(through & inside, jnp.sign(after - before), 0.0))


def apart(first: Float[Array, "V 3"], second: Float[Array, "W 3"]) -> Float[Array, "V W"]:
    """Distances [m] between all vertices of two curves."""
    between = first[:, None] - second[None]
    return jnp.sqrt(jnp.sum(between**2, -1) + 1e-12)


def aside(places: Float[Array, "N 2"], mark: Float[Array, " 2"]) -> Float[Array, " N"]:
    """Distances [m] from a mark on the floor plan."""
    return length(jnp.pad(places - mark[None], ((0, 0), (0, 1))))


def along(corners: Float[Array, "C 3"], count: int) -> Float[Array, "count 3"]:
    """``count`` points at even distances along the straight lines between corners."""
    size = jnp.concatenate([jnp.zeros(1), jnp.cumsum(length(corners[1:] - corners[:-1]))])
    places = jnp.linspace(0.0, size[-1], count)
    return jnp.stack([jnp.interp(places, size, corners[:, axis]) for axis in range(3)], -1)


def turned(points: Float[Array, "V 3"], angle: Float[Array, ""]) -> Float[Array, "V 3"]:
    """Points turned about the vertical axis through the origin [rad]."""
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    x, y = points[:, 0], points[:, 1]
    return jnp.stack([cosine * x - sine * y, sine * x + cosine * y, points[:, 2]], -1)


def at_height(places: Float[Array, "N 2"], height: float | Float[Array, ""]) -> Float[Array, "N 3"]:
    """Points over places on the floor."""
    return jnp.concatenate([places, jnp.full((places.shape[0], 1), height)], -1)
