"""Pictures to a small grid of bounded numbers and back.

Source: the tanh bottleneck of DreamerV4's tokenizer (Hafner et al. 2025, arXiv 2509.24527), with convolutions in place
of its transformer and the squared error alone in place of a perceptual loss. Noise on the codes while the decoder
learns makes small codes costly, so they spread over -1 .. 1, and makes it forgive the errors of whoever draws codes.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Module, SpecError, field
from diorama.models.tokenizer.config import TOKENIZER_SIZES, TokenizerConfig
from diorama.nn.convolution import Convolution, depth_to_space
from diorama.nn.rms_norm import RMSNorm


class Refined(Module):
    """A picture with what a convolution of its normed channels adds to it."""

    norm: RMSNorm
    convolution: Convolution

    def __call__(self, picture: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """``[H, W, C]`` to the same shape."""
        return picture + self.convolution(jax.nn.silu(self.norm(picture)))

    @staticmethod
    def build(rng: np.random.Generator, channels: int) -> "Refined":
        """A new layer."""
        return Refined(RMSNorm.build(channels), Convolution.build(rng, channels, channels, stride=1))


class Tokenizer(Module):
    """Halve and refine, some times, down to the codes; the same way back up by `depth_to_space`."""

    shrink: tuple[Convolution, ...]
    see: tuple[Refined, ...]
    into_code: Convolution
    from_code: Convolution
    draw: tuple[Refined, ...]
    grow: tuple[Convolution, ...]
    noise: float = field(static=True)

    def encode(self, picture: Float[Array, "H W C"]) -> Float[Array, "h w c"]:
        """A picture in -1 .. 1 to codes in -1 .. 1."""
        for shrink, see in zip(self.shrink, self.see, strict=True):
            picture = see(shrink(picture))
        return jnp.tanh(self.into_code(picture))

    def decode(self, code: Float[Array, "h w c"]) -> Float[Array, "H W C"]:
        """Codes to a picture; not clipped."""
        picture = self.from_code(code)
        for draw, grow in zip(self.draw, self.grow, strict=True):
            picture = depth_to_space(grow(draw(picture)))
        return picture

    def loss(self, picture: Float[Array, "H W C"], key: PRNGKeyArray) -> Float[Array, ""]:
        """The mean squared error of a picture decoded from its noisy code."""
        code = self.encode(picture)
        noisy = code + self.noise * jax.random.normal(key, code.shape)
        return jnp.mean((self.decode(noisy) - picture) ** 2)

    @staticmethod
    def build(config: TokenizerConfig, shape: tuple[int, ...], rng: np.random.Generator) -> "Tokenizer":
        """A new tokenizer of pictures of this shape. Raises `SpecError` where they cannot be halved so often."""
        height, width, channels = shape
        if height % 2**config.halvings or width % 2**config.halvings:
            raise SpecError(f"Pictures of {shape[:2]} pixels cannot be halved {config.halvings} times; pad them.")
        inside, between = TOKENIZER_SIZES[config.size], config.halvings - 1
        ends = [*[inside] * between, channels]
        return Tokenizer(
            tuple(Convolution.build(rng, i, inside, stride=2) for i in (channels, *[inside] * between)),
            tuple(Refined.build(rng, inside) for _ in range(config.halvings)),
            Convolution.build(rng, inside, config.channels, stride=1),
            Convolution.build(rng, config.channels, inside, stride=1),
            tuple(Refined.build(rng, inside) for _ in range(config.halvings)),
            tuple(Convolution.build(rng, inside, 4 * outputs, stride=1) for outputs in ends),
            config.noise,
        )
