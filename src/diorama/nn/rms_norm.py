"""Division by the root of the mean square, with a learned scale."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module

EPSILON = 1e-4


class RMSNorm(Module):
    """``scale * x / sqrt(mean(x^2) + 1e-4)`` over the last axis (Zhang and Sennrich 2019, arXiv 1910.07467)."""

    scale: Float[Array, " n"]

    def __call__(self, x: Float[Array, "*B n"]) -> Float[Array, "*B n"]:
        """Map ``[..., n]`` to ``[..., n]``."""
        size = jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + EPSILON)
        return x * size * self.scale.reshape(*[1] * (x.ndim - 1), -1)

    @staticmethod
    def build(size: int) -> "RMSNorm":
        """The norm with scale 1."""
        return RMSNorm(jnp.ones(size))
