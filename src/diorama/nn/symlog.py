"""The symmetric logarithm and its inverse: large values shrink, small ones stay (arXiv 2301.04104, equation 9)."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float


def symlog(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """``sign(x) log(1 + |x|)``; its slope at 0 is 1."""
    return _odd(jnp.log1p, x)


def symexp(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """``sign(x) (exp(|x|) - 1)``, the inverse of `symlog`."""
    return _odd(jnp.expm1, x)


def _odd(function: Callable[[Array], Array], x: Array) -> Array:
    """``sign(x) function(|x|)`` by cases: the derivatives of sign and of |x| at 0 would make the slope there 0."""
    above, below = jnp.where(x >= 0, x, 0.0), jnp.where(x < 0, -x, 0.0)
    return jnp.where(x >= 0, function(above), -function(below))
