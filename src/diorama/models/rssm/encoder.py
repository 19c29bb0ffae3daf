"""Observations to one vector of tokens: a perceptron for the vectors, a convolutional network for each camera."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from diorama.core import EnvSpec, Module, field
from diorama.core.env import Observation
from diorama.models.rssm.config import RSSMConfig
from diorama.models.rssm.senses import PictureShape, Vectors, pictures, unit
from diorama.nn.convolution import Convolution
from diorama.nn.normed_mlp import Dense
from diorama.nn.rms_norm import RMSNorm

LAYERS = 3


class Eye(Module):
    """One camera: 4 x 4 convolutions with stride 2, each followed by RMS norm over channels and SiLU."""

    shape: PictureShape = field(static=True)
    convolutions: tuple[Convolution, ...]
    norms: tuple[RMSNorm, ...]

    def __call__(self, picture: UInt8[Array, "H W C"]) -> Float[Array, " n"]:
        """The smallest map, flat."""
        height, width = self.shape.padded
        margin = ((0, height - self.shape.height), (0, width - self.shape.width), (0, 0))
        x = jnp.pad(unit(picture) - 0.5, margin)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = jax.nn.silu(norm(convolution(x)))
        return x.reshape(-1)

    @staticmethod
    def build(rng: np.random.Generator, shape: PictureShape, depth: int) -> "Eye":
        """A new network."""
        widths = shape.widths(depth)
        pairs = zip((shape.channels, *widths[:-1]), widths, strict=True)
        convolutions = tuple(Convolution.build(rng, inputs, outputs, stride=2) for inputs, outputs in pairs)
        return Eye(shape, convolutions, tuple(RMSNorm.build(width) for width in widths))


class Encoder(Module):
    """One observation to its tokens: those of the vectors, then those of each camera in the order of their names."""

    vectors: tuple[Dense, ...]
    eyes: dict[str, Eye]

    def __call__(self, vectors: Vectors | None, observation: Observation) -> Float[Array, " n"]:
        """The tokens of one observation."""
        tokens = []
        if vectors is not None:
            x = vectors.squash(observation)
            for layer in self.vectors:
                x = layer(x)
            tokens.append(x)
        return jnp.concatenate([*tokens, *(eye(observation[name]) for name, eye in sorted(self.eyes.items()))])

    @staticmethod
    def build(rng: np.random.Generator, config: RSSMConfig, spec: EnvSpec, vectors: Vectors | None) -> "Encoder":
        """A new encoder of every observation of a spec."""
        sizes = (vectors.layout.size, *[config.widths.units] * LAYERS) if vectors else ()
        layers = tuple(Dense.build(rng, i, o) for i, o in zip(sizes[:-1], sizes[1:], strict=True))
        eyes = {name: Eye.build(rng, shape, config.widths.depth) for name, shape in pictures(spec).items()}
        return Encoder(layers, eyes)

    def size(self, config: RSSMConfig) -> int:
        """The number of tokens."""
        maps = sum(int(np.prod(eye.shape.smallest(config.widths.depth))) for eye in self.eyes.values())
        return maps + (config.widths.units if self.vectors else 0)
