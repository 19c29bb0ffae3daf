"""Normalisation by mean and standard deviation. The statistics are arrays of the module, so they are saved with it."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module


class Normaliser(Module):
    """``(x - mean) / std`` and back. The statistics are data, not parameters: no gradient reaches them.

    A ``std`` of 0 says of a prediction that its entry never varies: `invert` gives the mean, whatever was predicted. In
    the other direction the entry keeps its physical scale, so that one which varies after all is no infinite error.
    """

    mean: Float[Array, " n"]
    std: Float[Array, " n"]

    def __call__(self, x: Float[Array, "*B n"]) -> Float[Array, "*B n"]:
        """Physical units to normalised."""
        mean, std = jax.lax.stop_gradient((self.mean, self.std))
        return (x - mean) / jnp.where(std > 0, std, 1.0)

    def invert(self, z: Float[Array, "*B n"]) -> Float[Array, "*B n"]:
        """Normalised to physical units."""
        mean, std = jax.lax.stop_gradient((self.mean, self.std))
        return z * std + mean

    @staticmethod
    def identity(size: int) -> "Normaliser":
        """The normaliser that changes nothing."""
        return Normaliser(jnp.zeros(size), jnp.ones(size))

    @staticmethod
    def of(values: np.ndarray, still: float = 1.0) -> "Normaliser":
        """The statistics of ``values`` ``[..., n]``. Entries that hardly vary have ``still`` as their std.

        1 for what a network is shown: their scale is kept, since they may vary later. 0 for what it predicts: what
        never varied in the data does not drift with the network's noise.
        """
        rows = np.asarray(values, np.float64).reshape(-1, np.shape(values)[-1])
        std = rows.std(axis=0)
        std = np.where(std < 1e-6 * (1.0 + np.abs(rows.mean(axis=0))), still, std)
        return Normaliser(jnp.asarray(rows.mean(axis=0), jnp.float32), jnp.asarray(std, jnp.float32))
