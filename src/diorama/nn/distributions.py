"""Distributions: the squashed normal inside bounds, and the Gaussian likelihood with a soft-clipped log-variance."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Module


def soft_clip(x: Float[Array, "*n"], low: float, high: float) -> Float[Array, "*n"]:
    """``x`` held in ``[low, high]`` with a gradient everywhere (Chua et al. 2018, arXiv 1805.12114, appendix A.1)."""
    x = high - jax.nn.softplus(high - x)
    return low + jax.nn.softplus(x - low)


def gaussian_negative_log_likelihood(
    mean: Float[Array, "*n"], log_variance: Float[Array, "*n"], target: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    """Half of ``(target - mean)^2 / variance + log variance``, without the constant."""
    return 0.5 * ((target - mean) ** 2 * jnp.exp(-log_variance) + log_variance)


class SquashedNormal(Module):
    """A normal, squashed by tanh into ``(low, high)``: every sample lies inside the bounds (Haarnoja et al. 2018)."""

    mean: Float[Array, " A"]
    log_std: Float[Array, " A"]
    low: Float[Array, " A"]
    high: Float[Array, " A"]

    def mode(self) -> Float[Array, " A"]:
        """The squashed mean, in physical units."""
        return self._scale(self.mean)

    def sample(self, key: PRNGKeyArray) -> tuple[Float[Array, " A"], Float[Array, ""]]:
        """A reparametrised sample in physical units, and its log-density relative to the uniform on the bounds."""
        noise = jax.random.normal(key, self.mean.shape)
        raw = self.mean + jnp.exp(self.log_std) * noise
        return self._scale(raw), self._log_density(raw)

    def log_density(self, action: Float[Array, " A"]) -> Float[Array, ""]:
        """The log-density of an action in physical units, relative to the uniform density on the bounds."""
        unit = jnp.clip(2 * (action - self.low) / (self.high - self.low) - 1, -1 + 1e-6, 1 - 1e-6)
        return self._log_density(jnp.arctanh(unit))

    def _scale(self, raw: Float[Array, " A"]) -> Float[Array, " A"]:
        return self.low + (jnp.tanh(raw) + 1) * 0.5 * (self.high - self.low)

    def _log_density(self, raw: Float[Array, " A"]) -> Float[Array, ""]:
        standard = (raw - self.mean) * jnp.exp(-self.log_std)
        normal = -0.5 * standard**2 - self.log_std - 0.5 * jnp.log(2 * jnp.pi)
        # log(1 - tanh(x)^2) without cancellation; the uniform on (-1, 1) has log-density -log 2.
        squash = 2 * (jnp.log(2.0) - raw - jax.nn.softplus(-2 * raw))
        return jnp.sum(normal - squash + jnp.log(2.0))
