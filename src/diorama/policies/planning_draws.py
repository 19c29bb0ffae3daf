"""How a planner draws action sequences around a mean: every sample is inside [-1, 1] by construction."""

import abc

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Module, field


class Draw(Module):
    """Draws plans around a mean ``[T, A]`` inside [-1, 1] with a standard deviation ``[T, A]``."""

    @abc.abstractmethod
    def __call__(
        self, key: PRNGKeyArray, count: int, mean: Float[Array, "T A"], std: Float[Array, "T A"]
    ) -> Float[Array, "S T A"]:
        """``count`` plans inside [-1, 1]."""


class Truncated(Draw):
    """A normal truncated to the bounds, independent in time: no mass piles up on a bound, as it does by clipping."""

    def __call__(
        self, key: PRNGKeyArray, count: int, mean: Float[Array, "T A"], std: Float[Array, "T A"]
    ) -> Float[Array, "S T A"]:
        """See `Draw`."""
        low, high = (-1.0 - mean) / std, (1.0 - mean) / std
        noise = jax.random.truncated_normal(key, low[None], high[None], (count, *mean.shape))
        # Multiplying and adding may round past a bound by one bit.
        return jnp.clip(mean[None] + std[None] * noise, -1.0, 1.0)


class Coloured(Draw):
    """Normal noise that is correlated in time, with power proportional to 1 / frequency^exponent, clipped.

    0 is white noise; the greater the exponent, the longer a sample pushes one way. A normal that is correlated in time
    has no simple truncated form, so it is clipped, as in iCEM (Pinneri et al. 2020, arXiv 2008.06389).
    """

    exponent: float = field(static=True)

    def __call__(
        self, key: PRNGKeyArray, count: int, mean: Float[Array, "T A"], std: Float[Array, "T A"]
    ) -> Float[Array, "S T A"]:
        """See `Draw`."""
        noise = coloured_noise(key, (count, *mean.shape), self.exponent)
        return jnp.clip(mean[None] + std[None] * noise, -1.0, 1.0)


def coloured_noise(key: PRNGKeyArray, shape: tuple[int, int, int], exponent: float) -> Float[Array, "S T A"]:
    """Normal noise ``[S, T, A]`` of variance 1 whose spectrum over T falls as 1 / frequency^exponent.

    White noise is filtered by its Fourier transform (Timmer and König 1995); the constant part gets the power of the
    lowest frequency, 1 / T.
    """
    steps = shape[1]
    frequency = np.maximum(np.fft.fftfreq(steps) ** 2, steps**-2.0) ** 0.5
    amplitude = frequency ** (-exponent / 2)
    # By Parseval the variance of filtered white noise is the mean of the squared amplitudes.
    amplitude = amplitude / np.sqrt(np.mean(amplitude**2))
    half = jnp.asarray(amplitude[: steps // 2 + 1], jnp.float32)[None, :, None]
    spectrum = jnp.fft.rfft(jax.random.normal(key, shape), axis=1)
    return jnp.fft.irfft(half * spectrum, n=steps, axis=1)
