"""Samplers: from pure noise to a sample by a few steps of the probability-flow equation.

Source: EDM (Karras et al. 2022, arXiv 2206.00364), equation 5 and algorithm 1, without added noise on the way. The few
steps are unrolled: a gradient through them meets no scan.
"""

import abc
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module, field

Denoise = Callable[[Float[Array, "..."], Float[Array, ""]], Float[Array, "..."]]
"""``D(noisy, sigma)``, the expected clean value."""


class Schedule(Module):
    """``steps`` falling noise levels from ``high`` to ``low`` (EDM equation 5), then 0. One step: ``high``, then 0."""

    steps: int = field(static=True, default=3)
    low: float = field(static=True, default=2e-3)
    high: float = field(static=True, default=5.0)
    power: float = field(static=True, default=7.0)

    def levels(self) -> np.ndarray:
        """The levels, ``[steps + 1]``."""
        low, high = self.low ** (1 / self.power), self.high ** (1 / self.power)
        falling = (high + np.linspace(0.0, 1.0, self.steps) * (low - high)) ** self.power
        return np.append(falling, 0.0).astype(np.float32)


class Sampler(Module):
    """A way from noise to a sample."""

    @abc.abstractmethod
    def __call__(self, denoise: Denoise, noise: Float[Array, "..."]) -> Float[Array, "..."]:
        """The sample that grows from standard normal ``noise``."""


class Euler(Sampler):
    """One network call a step, first order."""

    schedule: Schedule = Schedule()

    def __call__(self, denoise: Denoise, noise: Float[Array, "..."]) -> Float[Array, "..."]:
        """As in `Sampler`."""
        levels = self.schedule.levels()
        x = levels[0] * noise
        for sigma, following in zip(levels[:-1], levels[1:], strict=True):
            x = x + (following - sigma) * _slope(denoise, x, sigma)
        return x


class Heun(Sampler):
    """Two network calls a step but for the last, second order (EDM algorithm 1)."""

    schedule: Schedule = Schedule()

    def __call__(self, denoise: Denoise, noise: Float[Array, "..."]) -> Float[Array, "..."]:
        """As in `Sampler`."""
        levels = self.schedule.levels()
        x = levels[0] * noise
        for sigma, following in zip(levels[:-2], levels[1:-1], strict=True):
            slope = _slope(denoise, x, sigma)
            ahead = _slope(denoise, x + (following - sigma) * slope, following)
            x = x + (following - sigma) * 0.5 * (slope + ahead)
        return x - levels[-2] * _slope(denoise, x, levels[-2])


def _slope(denoise: Denoise, x: Array, sigma: np.float32) -> Array:
    return (x - denoise(x, jnp.asarray(sigma))) / sigma
