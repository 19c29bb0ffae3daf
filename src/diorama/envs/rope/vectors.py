"""Vectors in space, with derivatives that stay finite at zero."""

import jax.numpy as jnp
from jaxtyping import Array, Float

_SMALLEST = 1e-30
_FOLDED = 1e-9


def dot(one: Float[Array, "*N 3"], other: Float[Array, "*N 3"]) -> Float[Array, "*N"]:
    """Inner products."""
    return jnp.sum(one * other, -1)


def cross(one: Float[Array, "*N 3"], other: Float[Array, "*N 3"]) -> Float[Array, "*N 3"]:
    """Vector products, in half of the operations that JAX's own, of any axes, makes of them."""
    return _turned(one * _turned(other) - _turned(one) * other)


def _turned(vector: Array) -> Array:
    return jnp.concatenate([vector[..., 1:], vector[..., :1]], -1)


def length(vector: Float[Array, "*N 3"]) -> Float[Array, "*N"]:
    """Euclidean norms; the derivative at zero is zero."""
    square = dot(vector, vector)
    safe = jnp.where(square > _SMALLEST, square, 1.0)
    return jnp.where(square > _SMALLEST, jnp.sqrt(safe), 0.0)


def unit(vector: Float[Array, "*N 3"]) -> Float[Array, "*N 3"]:
    """Directions; that of a zero vector is zero."""
    size = length(vector)
    return vector / jnp.where(size > 0.0, size, 1.0)[..., None]


def chi(one: Float[Array, "*N 3"], other: Float[Array, "*N 3"]) -> Float[Array, "*N"]:
    """One plus the cosine between two directions, kept from zero where they are opposite."""
    return jnp.maximum(1.0 + dot(one, other), _FOLDED)


def transport(
    vector: Float[Array, "*N 3"], start: Float[Array, "*N 3"], end: Float[Array, "*N 3"]
) -> Float[Array, "*N 3"]:
    """``vector``, turned by the smallest rotation that takes the direction ``start`` to the direction ``end``.

    Parallel transport of the discrete rod; undefined where the two directions are opposite (Bergou et al. 2008, 4.2.2).
    """
    share = dot(vector, end) / chi(start, end)
    upright = dot(vector, start)
    return vector - share[..., None] * (start + end) + upright[..., None] * _rest(start, end)


def _rest(start: Array, end: Array) -> Array:
    """What the smallest rotation does to ``start`` beyond what it does to vectors across it."""
    return end - start + (dot(start, end) / chi(start, end))[..., None] * (start + end)
