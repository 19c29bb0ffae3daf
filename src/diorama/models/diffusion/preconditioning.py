"""Noise levels, and the scaling that keeps a network's input, output and target at size 1 at each of them.

Source: EDM (Karras et al. 2022, arXiv 2206.00364), table 1 and section 5, with the numbers of DIAMOND (arXiv
2405.12399). The network F gives the denoised ``D(x, sigma) = c_skip x + c_out F(c_in x, c_noise)``.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Module, field

Network = Callable[[Float[Array, "..."], Float[Array, ""]], Float[Array, "..."]]
"""F: the scaled noisy value and ``c_noise`` to a value of the same shape."""


class Coefficients(Module):
    """``c_skip``, ``c_out``, ``c_in`` and ``c_noise`` at one noise level."""

    skip: Float[Array, ""]
    out: Float[Array, ""]
    into: Float[Array, ""]
    noise: Float[Array, ""]


class Preconditioning(Module):
    """``data``: the standard deviation of what is denoised. ``offset``: that of the noise shared along an axis.

    The offset noise adds to the noise of every entry, so ``sigma^2 + offset^2`` takes the place of ``sigma^2``.
    """

    data: float = field(static=True, default=0.5)
    offset: float = field(static=True, default=0.0)

    def coefficients(self, sigma: Float[Array, ""]) -> Coefficients:
        """The four of EDM's table 1 at the noise level ``sigma`` > 0."""
        noise = jnp.sqrt(sigma**2 + self.offset**2)
        total = jnp.sqrt(noise**2 + self.data**2)
        return Coefficients((self.data / total) ** 2, noise * self.data / total, 1 / total, jnp.log(noise) / 4)

    def denoised(self, network: Network, noisy: Float[Array, "..."], sigma: Float[Array, ""]) -> Float[Array, "..."]:
        """``D(noisy, sigma)``."""
        c = self.coefficients(sigma)
        return c.skip * noisy + c.out * network(c.into * noisy, c.noise)

    def error(
        self, network: Network, clean: Float[Array, "..."], noisy: Float[Array, "..."], sigma: Float[Array, ""]
    ) -> Float[Array, ""]:
        """The mean squared error of F against ``(clean - c_skip noisy) / c_out``."""
        c = self.coefficients(sigma)
        wanted = (clean - c.skip * noisy) / c.out
        return jnp.mean((network(c.into * noisy, c.noise) - wanted) ** 2)


class NoiseLevels(Module):
    """The noise levels of training: log-normal, clipped."""

    mean: float = field(static=True, default=-0.4)
    std: float = field(static=True, default=1.2)
    low: float = field(static=True, default=2e-3)
    high: float = field(static=True, default=20.0)

    def sample(self, key: PRNGKeyArray) -> Float[Array, ""]:
        """One level."""
        return jnp.clip(jnp.exp(self.mean + self.std * jax.random.normal(key)), self.low, self.high)
