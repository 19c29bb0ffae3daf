"""Networks that see through the noise in a chunk of actions: a multi-layer perceptron, and a U-Net over time.

The U-Net follows Diffusion Policy (arXiv 2303.04137, section 3.1), channels last, with a convolution that is one matrix
product. It halves time by leaving out every second step and doubles it by repeating each: no strided and no transposed
convolution.
"""

import abc

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from diorama.core import Module, field
from diorama.nn import MLP, layer_norm, orthogonal
from diorama.nn.mlp import Linear
from diorama.policies.diffusion_config import DiffusionPolicyConfig, MLPDenoiserConfig, UNetDenoiserConfig


class Denoiser(Module):
    """Sees through noise."""

    @abc.abstractmethod
    def __call__(
        self, noisy: Float[Array, "H A"], step: Int[Array, ""], seen: Float[Array, " n"]
    ) -> Float[Array, "H A"]:
        """The `Schedule.velocity` of a noisy chunk of normalised actions, given what the policy has seen."""


class MLPDenoiser(Denoiser):
    """Chunk, step and observations side by side, through one perceptron."""

    network: MLP
    time_features: int = field(static=True)

    @staticmethod
    def build(
        config: MLPDenoiserConfig, rng: np.random.Generator, horizon: int, actions: int, seen: int, time_features: int
    ) -> "MLPDenoiser":
        """An untrained denoiser of chunks ``[horizon, actions]``."""
        sizes = (horizon * actions + time_features + seen, *config.hidden, horizon * actions)
        return MLPDenoiser(MLP.build(rng, sizes, between=layer_norm, last_gain=0.1), time_features)

    def __call__(
        self, noisy: Float[Array, "H A"], step: Int[Array, ""], seen: Float[Array, " n"]
    ) -> Float[Array, "H A"]:
        """See `Denoiser`."""
        given = jnp.concatenate([noisy.reshape(-1), time_encoding(step, self.time_features), seen])
        return self.network(given).reshape(noisy.shape)


class Convolution(Module):
    """A convolution over time ``[T, in]`` to ``[T, out]`` with zeros beyond the ends, as one matrix product."""

    weight: Float[Array, "k_in out"]
    bias: Float[Array, " out"]
    kernel: int = field(static=True)

    @staticmethod
    def build(rng: np.random.Generator, kernel: int, before: int, after: int, gain: float = 1.0) -> "Convolution":
        """Untrained."""
        weight = orthogonal(rng, (after, kernel * before), gain).T
        return Convolution(jnp.asarray(weight), jnp.zeros(after), kernel)

    def __call__(self, x: Float[Array, "T in"]) -> Float[Array, "T out"]:
        """Convolve."""
        reach = self.kernel // 2
        padded = jnp.pad(x, ((reach, reach), (0, 0)))
        beside = jnp.concatenate([padded[shift : shift + x.shape[0]] for shift in range(self.kernel)], axis=-1)
        return beside @ self.weight + self.bias[None]


class Block(Module):
    """Two convolutions with a shortcut; what the policy has seen scales and shifts the channels in between (FiLM)."""

    first: Convolution
    second: Convolution
    shortcut: Convolution
    modulation: Linear
    groups: int = field(static=True)

    @staticmethod
    def build(rng: np.random.Generator, config: UNetDenoiserConfig, before: int, after: int, seen: int) -> "Block":
        """Untrained."""
        return Block(
            Convolution.build(rng, config.kernel, before, after),
            Convolution.build(rng, config.kernel, after, after),
            Convolution.build(rng, 1, before, after),
            Linear(jnp.asarray(orthogonal(rng, (2 * after, seen), 0.1)), jnp.zeros(2 * after)),
            config.groups,
        )

    def __call__(self, x: Float[Array, "T in"], seen: Float[Array, " n"]) -> Float[Array, "T out"]:
        """Map ``[T, in]`` to ``[T, out]``."""
        hidden = jax.nn.silu(group_norm(self.first(x), self.groups))
        scale, shift = jnp.split(self.modulation(jax.nn.silu(seen)), 2)
        hidden = (1 + scale)[None] * hidden + shift[None]
        return jax.nn.silu(group_norm(self.second(hidden), self.groups)) + self.shortcut(x)


class UNetDenoiser(Denoiser):
    """Down to a coarser time and back up, with connections across at each level."""

    down: tuple[Block, ...]
    middle: Block
    up: tuple[Block, ...]
    last: Convolution
    time: MLP
    time_features: int = field(static=True)

    @staticmethod
    def build(
        config: UNetDenoiserConfig, rng: np.random.Generator, actions: int, seen: int, time_features: int
    ) -> "UNetDenoiser":
        """An untrained denoiser of chunks of any length that is a multiple of ``config.shortest``."""
        widths, given = config.channels, seen + time_features
        pairs = list(zip((actions, *widths[:-1]), widths, strict=True))
        down = tuple(Block.build(rng, config, before, after, given) for before, after in pairs)
        rising = list(zip(widths[::-1], (*widths[-2::-1], widths[0]), strict=True))
        up = tuple(Block.build(rng, config, 2 * before, after, given) for before, after in rising)
        return UNetDenoiser(
            down,
            Block.build(rng, config, widths[-1], widths[-1], given),
            up,
            Convolution.build(rng, 1, widths[0], actions, 0.1),
            MLP.build(rng, (time_features, 4 * time_features, time_features), between=layer_norm),
            time_features,
        )

    def __call__(
        self, noisy: Float[Array, "H A"], step: Int[Array, ""], seen: Float[Array, " n"]
    ) -> Float[Array, "H A"]:
        """See `Denoiser`."""
        given = jnp.concatenate([self.time(time_encoding(step, self.time_features)), seen])
        hidden, across = noisy, []
        for level, block in enumerate(self.down):
            hidden = block(hidden[::2] if level else hidden, given)
            across.append(hidden)
        hidden = self.middle(hidden, given)
        for level, block in enumerate(self.up):
            hidden = jnp.repeat(hidden, 2, axis=0) if level else hidden
            hidden = block(jnp.concatenate([hidden, across.pop()], axis=-1), given)
        return self.last(hidden)


def build_denoiser(
    config: DiffusionPolicyConfig, rng: np.random.Generator, actions: int, seen: int
) -> MLPDenoiser | UNetDenoiser:
    """The untrained denoiser of a configuration."""
    if isinstance(config.denoiser, UNetDenoiserConfig):
        return UNetDenoiser.build(config.denoiser, rng, actions, seen, config.time_features)
    return MLPDenoiser.build(config.denoiser, rng, config.horizon, actions, seen, config.time_features)


def time_encoding(step: Int[Array, ""], size: int) -> Float[Array, " size"]:
    """Sines and cosines of a step at geometric frequencies (Vaswani et al. 2017, arXiv 1706.03762, section 3.5)."""
    frequency = jnp.exp(-np.log(10_000.0) * jnp.arange(size // 2) / (size // 2 - 1))
    return jnp.concatenate([jnp.sin(step * frequency), jnp.cos(step * frequency)])


def group_norm(x: Float[Array, "T c"], groups: int) -> Float[Array, "T c"]:
    """Mean 0 and variance 1 in each group of channels over all of time (arXiv 1803.08494), without parameters."""
    grouped = x.reshape(x.shape[0], groups, -1)
    centred = grouped - jnp.mean(grouped, axis=(0, 2), keepdims=True)
    return (centred * jax.lax.rsqrt(jnp.mean(centred**2, axis=(0, 2), keepdims=True) + 1e-5)).reshape(x.shape)
