"""The latent state back to observations: a perceptron for the vectors, a growing map for each camera."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import EnvSpec, Module, field
from diorama.core.env import Observation
from diorama.models.rssm.config import RSSMConfig
from diorama.models.rssm.senses import PictureShape, Vectors, pictures, unit
from diorama.nn.convolution import Convolution, depth_to_space
from diorama.nn.mlp import Linear
from diorama.nn.normed_mlp import Dense, NormedMLP, linear
from diorama.nn.rms_norm import RMSNorm

LAYERS = 3


class Screen(Module):
    """One camera: a small map, doubled by 3 x 3 convolutions with depth-to-space until it is the picture."""

    shape: PictureShape = field(static=True)
    depth: int = field(static=True)
    first: Dense
    map: Linear
    norms: tuple[RMSNorm, ...]
    convolutions: tuple[Convolution, ...]

    def __call__(self, features: Float[Array, " n"]) -> Float[Array, "H W C"]:
        """The picture, each value in 0 .. 1 (a sigmoid)."""
        x = self.map(self.first(features)).reshape(self.shape.smallest(self.depth))
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = depth_to_space(convolution(jax.nn.silu(norm(x))))
        return jax.nn.sigmoid(x[: self.shape.height, : self.shape.width])

    @staticmethod
    def build(rng: np.random.Generator, shape: PictureShape, config: RSSMConfig) -> "Screen":
        """A new network."""
        depth, units = config.widths.depth, config.widths.units
        widths = (*shape.widths(depth)[::-1], shape.channels)
        convolutions = tuple(
            Convolution.build(rng, inputs, 4 * outputs, stride=1)
            for inputs, outputs in zip(widths[:-1], widths[1:], strict=True)
        )
        seed = linear(rng, units, int(np.prod(shape.smallest(depth))))
        norms = tuple(RMSNorm.build(width) for width in widths[:-1])
        return Screen(shape, depth, Dense.build(rng, config.features, units), seed, norms, convolutions)


class Decoder(Module):
    """Latent features to every observation of the spec."""

    vectors: NormedMLP | None
    screens: dict[str, Screen]

    def observation(self, vectors: Vectors | None, features: Float[Array, " n"]) -> Observation:
        """What is seen, in physical units; pictures as bytes, through which no derivative passes."""
        shown = {name: _bytes(screen(features)) for name, screen in self.screens.items()}
        if vectors is not None and self.vectors is not None:
            shown |= vectors.unsquash(self.vectors(features))
        return shown

    def error(
        self, vectors: Vectors | None, features: Float[Array, " n"], observation: Observation
    ) -> dict[str, Float[Array, ""]]:
        """Squared errors, summed over entries: ``vectors`` in symlog space, each picture by name in 0 .. 1."""
        errors = {
            name: jnp.sum((screen(features) - unit(observation[name])) ** 2) for name, screen in self.screens.items()
        }
        if vectors is not None and self.vectors is not None:
            errors["vectors"] = jnp.sum((self.vectors(features) - vectors.squash(observation)) ** 2)
        return errors

    @staticmethod
    def build(rng: np.random.Generator, config: RSSMConfig, spec: EnvSpec, vectors: Vectors | None) -> "Decoder":
        """A new decoder to every observation of a spec."""
        hidden = [config.widths.units] * LAYERS
        network = NormedMLP.build(rng, (config.features, *hidden, vectors.layout.size)) if vectors else None
        return Decoder(network, {name: Screen.build(rng, shape, config) for name, shape in pictures(spec).items()})


def _bytes(picture: Array) -> Array:
    return jnp.round(255.0 * picture).astype(jnp.uint8)
