"""A denoiser of pictures: a U-Net, channels last, in which a condition modulates every norm.

Source: the network of DIAMOND (arXiv 2405.12399), without attention. Pictures shrink by a 4 x 4 convolution of stride 2
and grow by `depth_to_space`; levels are joined once on the way up.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module, SpecError, field
from diorama.models.diffusion.conditions import Condition, ReadPictures, stacked
from diorama.models.diffusion.config import UNET_SIZES
from diorama.models.diffusion.denoiser import Context, Denoiser
from diorama.models.diffusion.preconditioning import Preconditioning
from diorama.nn.convolution import Convolution, depth_to_space, space_to_depth
from diorama.nn.group_norm import AdaptiveGroupNorm
from diorama.nn.mlp import Linear
from diorama.nn.normed_mlp import linear

DATA = Preconditioning().data


class ResidualBlock(Module):
    """Norm, SiLU, convolution, twice, on a residual path ``[H, W, in]`` to ``[H, W, out]``; the last begins at 0."""

    first_norm: AdaptiveGroupNorm
    first: Convolution
    second_norm: AdaptiveGroupNorm
    second: Convolution
    around: Linear | None

    def __call__(self, picture: Float[Array, "H W in"], condition: Float[Array, " n"]) -> Float[Array, "H W out"]:
        """The picture after the block."""
        hidden = self.first(jax.nn.silu(self.first_norm(picture, condition)))
        hidden = self.second(jax.nn.silu(self.second_norm(hidden, condition)))
        return hidden + (picture if self.around is None else jax.vmap(jax.vmap(self.around))(picture))

    @staticmethod
    def build(rng: np.random.Generator, inputs: int, outputs: int, condition: int) -> "ResidualBlock":
        """A new block."""
        return ResidualBlock(
            AdaptiveGroupNorm.build(inputs, condition),
            Convolution.build(rng, inputs, outputs, stride=1),
            AdaptiveGroupNorm.build(outputs, condition),
            Convolution.build(rng, outputs, outputs, stride=1, scale=0.0),
            None if inputs == outputs else linear(rng, inputs, outputs),
        )


class Level(Module):
    """The blocks of one size of picture, and the convolution to the next size (None at the end)."""

    blocks: tuple[ResidualBlock, ...]
    leave: Convolution | None

    def __call__(self, picture: Float[Array, "H W in"], condition: Float[Array, " n"]) -> Float[Array, "H W out"]:
        """The picture after the blocks, still of its own size."""
        for block in self.blocks:
            picture = block(picture, condition)
        return picture


class UNet(Denoiser):
    """Down through the levels, and up again with what each level saw on the way down."""

    condition: Condition
    enter: Convolution
    down: tuple[Level, ...]
    up: tuple[Level, ...]
    norm: AdaptiveGroupNorm
    leave: Convolution
    side: int = field(static=True)

    def read(self, context: Context) -> ReadPictures:
        """As in `Denoiser`: the first convolution of the context's pictures, offsets included."""
        pictures = space_to_depth(stacked(context, DATA), self.side)
        return ReadPictures(self.enter.of_channels(-pictures.shape[-1], None)(pictures), context)

    def __call__(
        self, noisy: Float[Array, "H W C"], noise: Float[Array, ""], read: ReadPictures
    ) -> Float[Array, "H W C"]:
        """As in `Denoiser`."""
        condition = jax.nn.silu(self.condition(noise, read.context))
        noisy, seen = space_to_depth(noisy, self.side), []
        picture = self.enter.of_channels(None, noisy.shape[-1]).product(noisy) + read.entered
        for level in self.down:
            picture = level(picture, condition)
            seen.append(picture)
            picture = picture if level.leave is None else level.leave(picture)
        for level in self.up:
            picture = level(jnp.concatenate([picture, seen.pop()], axis=-1), condition)
            picture = picture if level.leave is None else depth_to_space(level.leave(picture))
        return depth_to_space(self.leave(jax.nn.silu(self.norm(picture, condition))), self.side)

    @staticmethod
    def build(
        rng: np.random.Generator, size: str, shape: tuple[int, int, int], context: Context, side: int = 1
    ) -> "UNet":
        """A network for pictures of this shape. Raises `SpecError` where it cannot be halved often enough."""
        channels, blocks, width = UNET_SIZES[size]
        halvings, drawn = side * 2 ** (len(channels) - 1), side**2 * shape[2]
        if shape[0] % halvings or shape[1] % halvings:
            raise SpecError(f"Pictures of {shape[:2]} pixels cannot be halved to a {halvings}th; pad or resize them.")
        inputs = (context.known.shape[0] + 1) * drawn
        return UNet(
            Condition.build(rng, width, context),
            Convolution.build(rng, inputs, channels[0], stride=1),
            _down(rng, channels, blocks, width),
            _up(rng, channels, blocks, width),
            AdaptiveGroupNorm.build(channels[0], width),
            Convolution.build(rng, channels[0], drawn, stride=1, scale=0.0),
            side,
        )


def _down(rng: np.random.Generator, channels: tuple[int, ...], blocks: int, width: int) -> tuple[Level, ...]:
    levels = []
    for here, below in zip(channels, [*channels[1:], None], strict=True):
        inside = tuple(ResidualBlock.build(rng, here, here, width) for _ in range(blocks))
        levels.append(Level(inside, None if below is None else Convolution.build(rng, here, below, stride=2)))
    return tuple(levels)


def _up(rng: np.random.Generator, channels: tuple[int, ...], blocks: int, width: int) -> tuple[Level, ...]:
    levels = []
    for here, above in zip(channels[::-1], [*channels[-2::-1], None], strict=True):
        inside = [ResidualBlock.build(rng, 2 * here, here, width)]
        inside += [ResidualBlock.build(rng, here, here, width) for _ in range(blocks - 1)]
        leave = None if above is None else Convolution.build(rng, here, 4 * above, stride=1)
        levels.append(Level(tuple(inside), leave))
    return tuple(levels)
