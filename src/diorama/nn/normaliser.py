"""Normalisation by mean and standard deviation. The statistics are arrays of the module, so they are saved with it."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module


class Normaliser(Module):
    """``(x - mean) / std`` and back. The statistics are data, not parameters: no gradient reaches them."""

    mean: Float[Array, " n"]
    std: Float[Array, " n"]

    def __call__(self, x: Float[Array, "*B n"]) -> Float[Array, "*B n"]:
        """Physical units to normalised."""
        mean, std = jax.lax.stop_gradient((self.mean, self.std))
        return (x - mean) / std

    def invert(self, z: Float[Array, "*B n"]) -> Float[Array, "*B n"]:
        """Normalised to physical units."""
        mean, std = jax.lax.stop_gradient((self.mean, self.std))
        return z * std + mean

    @staticmethod
    def identity(size: int) -> "Normaliser":
        """The normaliser that changes nothing."""
        return Normaliser(jnp.zeros(size), jnp.ones(size))

    @staticmethod
    def of(values: np.ndarray) -> "Normaliser":
        """The statistics of ``values`` ``[..., n]``. Entries that hardly vary keep their scale (std 1)."""
        rows = np.asarray(values, np.float64).reshape(-1, np.shape(values)[-1])
        std = rows.std(axis=0)
        std = np.where(std < 1e-6 * (1.0 + np.abs(rows.mean(axis=0))), 1.0, std)
        return Normaliser(jnp.asarray(rows.mean(axis=0), jnp.float32), jnp.asarray(std, jnp.float32))
