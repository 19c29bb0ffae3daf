"""Running mean and variance as a pytree, merged batch by batch."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module


class Moments(Module):
    """Mean and variance of all rows so far (Chan, Golub and LeVeque, 1983); ``count`` 0 means none yet."""

    mean: Float[Array, " n"]
    variance: Float[Array, " n"]
    count: Float[Array, ""]

    @staticmethod
    def begin(size: int) -> "Moments":
        """No rows yet: mean 0, variance 1."""
        return Moments(jnp.zeros(size), jnp.ones(size), jnp.zeros(()))

    def merge(self, rows: Float[Array, "N n"]) -> "Moments":
        """With these rows too."""
        count = self.count + rows.shape[0]
        share = rows.shape[0] / count
        mean, variance = jnp.mean(rows, axis=0), jnp.var(rows, axis=0)
        shift = mean - self.mean
        spread = (1 - share) * self.variance + share * variance + share * (1 - share) * shift**2
        return Moments(self.mean + share * shift, spread, count)

    @property
    def std(self) -> Float[Array, " n"]:
        """The standard deviation; 1 for entries that hardly vary."""
        std = jnp.sqrt(self.variance)
        return jnp.where(std < 1e-6 * (1 + jnp.abs(self.mean)), 1.0, std)
