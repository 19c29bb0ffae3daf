"""How much noise there is at each step of diffusion, and how samplers take it away.

Sources: DDPM, Ho et al. 2020 (arXiv 2006.11239); the squared-cosine schedule, Nichol and Dhariwal 2021 (arXiv
2102.09672, equation 17); DDIM, Song et al. 2021 (arXiv 2010.02502, equation 12); what the network sees, Salimans and Ho
2022 (arXiv 2202.00512). Step 0 has the least noise.
"""

import abc
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from diorama.core import ConfigError, Module, field

Denoise = Callable[[Float[Array, "H A"], Int[Array, ""]], Float[Array, "H A"]]
"""``denoise(noisy, step)``: the clean sample that it sees in ``noisy``."""
LARGEST_BETA = 0.999
OFFSET = 0.008


class Schedule(Module):
    """The squared-cosine schedule of ``steps`` steps. ``x_k = sqrt(kept_k) x + sqrt(1 - kept_k) noise``."""

    steps: int = field(static=True)

    @property
    def kept(self) -> np.ndarray:
        """The share of the signal's variance that is left at each step, float64 ``[steps]``, falling."""
        share = np.cos((np.arange(self.steps + 1) / self.steps + OFFSET) / (1 + OFFSET) * np.pi / 2) ** 2
        return np.cumprod(1 - np.minimum(1 - share[1:] / share[:-1], LARGEST_BETA))

    def noisy(
        self, clean: Float[Array, "H A"], noise: Float[Array, "H A"], step: Int[Array, ""]
    ) -> Float[Array, "H A"]:
        """What ``clean`` looks like at ``step`` under this noise."""
        signal, blur = self._shares(step)
        return signal * clean + blur * noise

    def velocity(
        self, clean: Float[Array, "H A"], noise: Float[Array, "H A"], step: Int[Array, ""]
    ) -> Float[Array, "H A"]:
        """What a network is to see at ``step`` (arXiv 2202.00512, appendix D).

        Where there is little noise it is the noise, and where there is little else it is minus the signal, so that no
        error of the network is ever magnified.
        """
        signal, blur = self._shares(step)
        return signal * noise - blur * clean

    def clean(
        self, noisy: Float[Array, "H A"], velocity: Float[Array, "H A"], step: Int[Array, ""]
    ) -> Float[Array, "H A"]:
        """What ``noisy`` was without noise, clipped to [-1, 1], where normalised actions lie."""
        signal, blur = self._shares(step)
        return jnp.clip(signal * noisy - blur * velocity, -1.0, 1.0)

    def _shares(self, step: Int[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        kept = jnp.asarray(self.kept, jnp.float32)[step]
        return jnp.sqrt(kept), jnp.sqrt(1 - kept)


class Sampler(Module):
    """How a sample is made from noise."""

    @abc.abstractmethod
    def __call__(
        self, denoise: Denoise, schedule: Schedule, noise: Float[Array, "H A"], key: PRNGKeyArray
    ) -> Float[Array, "H A"]:
        """The sample that ``noise``, standard normal, becomes; each entry in [-1, 1]."""


class DDPM(Sampler):
    """All steps of the schedule, with the posterior's own variance (arXiv 2006.11239, equations 6 and 7)."""

    def __call__(
        self, denoise: Denoise, schedule: Schedule, noise: Float[Array, "H A"], key: PRNGKeyArray
    ) -> Float[Array, "H A"]:
        """See `Sampler`."""
        kept = schedule.kept
        before = np.concatenate([[1.0], kept[:-1]])
        ratio = kept / before
        of_clean = np.sqrt(before) * (1 - ratio) / (1 - kept)
        of_noisy = np.sqrt(ratio) * (1 - before) / (1 - kept)
        spread = np.sqrt((1 - before) / (1 - kept) * (1 - ratio))
        weights = jnp.asarray(np.stack([of_clean, of_noisy, spread], axis=-1), jnp.float32)

        def body(noisy: Array, given: tuple) -> tuple[Array, None]:
            step, weight, key = given
            clean = denoise(noisy, step)
            fresh = jax.random.normal(key, noisy.shape)
            return weight[0] * clean + weight[1] * noisy + weight[2] * fresh, None

        steps = jnp.arange(schedule.steps)
        keys = jax.random.split(key, schedule.steps)
        sample, _ = jax.lax.scan(body, noise, (steps, weights, keys), reverse=True)
        return jnp.clip(sample, -1.0, 1.0)


class DDIM(Sampler):
    """``steps`` steps without fresh noise (arXiv 2010.02502, equation 12), evenly spaced from the noisiest on."""

    steps: int = field(static=True, default=10)

    def __call__(
        self, denoise: Denoise, schedule: Schedule, noise: Float[Array, "H A"], key: PRNGKeyArray
    ) -> Float[Array, "H A"]:
        """See `Sampler`. The key is not used. Raises `ConfigError` for more steps than the schedule has."""
        if not 1 <= self.steps <= schedule.steps:
            raise ConfigError(f"DDIM of {self.steps} steps on a schedule of {schedule.steps}; choose fewer steps.")
        chosen = np.round(schedule.steps * (1 - np.arange(self.steps) / self.steps)).astype(int) - 1
        kept = jnp.asarray(schedule.kept, jnp.float32)
        following = jnp.concatenate([kept[chosen[1:]], jnp.ones(1)])

        def body(noisy: Array, given: tuple) -> tuple[Array, None]:
            step, then = given
            clean = denoise(noisy, step)
            # The noise that goes with the clean sample as it was clipped.
            left = (noisy - jnp.sqrt(kept[step]) * clean) / jnp.sqrt(1 - kept[step])
            return jnp.sqrt(then) * clean + jnp.sqrt(1 - then) * left, None

        sample, _ = jax.lax.scan(body, noise, (jnp.asarray(chosen), following))
        return jnp.clip(sample, -1.0, 1.0)
