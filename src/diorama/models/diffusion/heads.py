"""Reward and end, read from what was before a step, the action, and what came of it."""

import abc

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.models.diffusion.config import HEAD_SIZES
from diorama.nn.convolution import Convolution
from diorama.nn.mlp import MLP, nothing

Said = tuple[Float[Array, ""], Float[Array, ""]]
"""The normalised reward and the logit of the end."""


class Heads(Module):
    """Networks apart from the denoiser, so that they may be trained on real steps and used on drawn ones."""

    @abc.abstractmethod
    def __call__(self, now: Float[Array, "..."], then: Float[Array, "..."], action: Float[Array, " A"]) -> Said:
        """Views before and after a step, and the normalised action."""


class VectorHeads(Heads):
    """A multi-layer perceptron."""

    network: MLP

    def __call__(self, now: Float[Array, " n"], then: Float[Array, " n"], action: Float[Array, " A"]) -> Said:
        """As in `Heads`."""
        reward, end = self.network(jnp.concatenate([now, then, action]))
        return reward, end

    @staticmethod
    def build(rng: np.random.Generator, size: str, features: int, action: int) -> "VectorHeads":
        """New heads for views of ``features`` entries."""
        width, _ = HEAD_SIZES[size]
        return VectorHeads(_network(rng, 2 * features + action, width))


class PictureHeads(Heads):
    """Convolutions down to a few pixels, then a multi-layer perceptron."""

    convolutions: tuple[Convolution, ...]
    network: MLP

    def __call__(self, now: Float[Array, "H W C"], then: Float[Array, "H W C"], action: Float[Array, " A"]) -> Said:
        """As in `Heads`."""
        picture = jnp.concatenate([now, then], axis=-1)
        for convolution in self.convolutions:
            picture = jax.nn.silu(convolution(picture))
        reward, end = self.network(jnp.concatenate([picture.reshape(-1), action]))
        return reward, end

    @staticmethod
    def build(rng: np.random.Generator, size: str, shape: tuple[int, ...], action: int) -> "PictureHeads":
        """New heads for pictures of this shape."""
        width, channels = HEAD_SIZES[size]
        height, breadth, inputs = shape[0], shape[1], 2 * shape[2]
        layers = []
        while min(height, breadth) > 4 and height % 2 == 0 and breadth % 2 == 0:
            layers.append(Convolution.build(rng, inputs, channels, stride=2))
            height, breadth, inputs = height // 2, breadth // 2, channels
        return PictureHeads(tuple(layers), _network(rng, height * breadth * inputs + action, width))


def _network(rng: np.random.Generator, inputs: int, width: int) -> MLP:
    return MLP.build(rng, (inputs, width, width, 2), between=nothing, last_gain=0.1)
