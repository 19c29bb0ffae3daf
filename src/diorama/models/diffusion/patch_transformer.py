"""A denoiser of pictures: a transformer over patches (DiT, Peebles and Xie 2022, arXiv 2212.09748)."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module, SpecError, field
from diorama.models.diffusion.conditions import Condition, ReadPictures, stacked
from diorama.models.diffusion.config import TRANSFORMER_SIZES
from diorama.models.diffusion.denoiser import Context, Denoiser
from diorama.models.diffusion.preconditioning import Preconditioning
from diorama.nn.attention import AdaptiveBlock, rows
from diorama.nn.fan_in import fan_in_normal
from diorama.nn.mlp import Linear, layer_norm
from diorama.nn.normed_mlp import linear
from diorama.nn.product import product

DATA = Preconditioning().data


class Patches(Module):
    """Pictures ``[H, W, C]`` to patches ``[N, side * side * C]``, row by row, and back."""

    side: int = field(static=True)

    def cut(self, picture: Float[Array, "H W C"]) -> Float[Array, "N D"]:
        """The patches of a picture."""
        height, width, channels = picture.shape
        grid = picture.reshape(height // self.side, self.side, width // self.side, self.side, channels)
        return grid.transpose(0, 2, 1, 3, 4).reshape(-1, self.side * self.side * channels)

    def join(self, patches: Float[Array, "N D"], shape: tuple[int, ...]) -> Float[Array, "H W C"]:
        """The inverse of `cut` for a picture of this shape."""
        height, width, channels = shape
        grid = patches.reshape(height // self.side, width // self.side, self.side, self.side, channels)
        return grid.transpose(0, 2, 1, 3, 4).reshape(height, width, channels)


class PatchTransformer(Denoiser):
    """One token for each patch of the noisy picture, with the same patch of all K pictures of the context."""

    condition: Condition
    enter: Linear
    places: Float[Array, "N D"]
    blocks: tuple[AdaptiveBlock, ...]
    leave: Linear
    patches: Patches

    def read(self, context: Context) -> ReadPictures:
        """As in `Denoiser`: what the context's pictures and their places add to the tokens."""
        pictures = stacked(context, DATA)
        weight = self._weight()[:, :, -pictures.shape[-1] :].reshape(len(self.enter.bias), -1)
        tokens = rows(Linear(weight, self.enter.bias), self.patches.cut(pictures))
        return ReadPictures(tokens + self.places, context)

    def __call__(
        self, noisy: Float[Array, "H W C"], noise: Float[Array, ""], read: ReadPictures
    ) -> Float[Array, "H W C"]:
        """As in `Denoiser`."""
        condition = self.condition(noise, read.context)
        weight = self._weight()[:, :, : noisy.shape[-1]].reshape(len(self.enter.bias), -1)
        tokens = product(self.patches.cut(noisy), weight) + read.entered
        for block in self.blocks:
            tokens = block(tokens, condition)
        return self.patches.join(rows(self.leave, jax.vmap(layer_norm)(tokens)), noisy.shape)

    def _weight(self) -> Float[Array, "D pixels channels"]:
        """The weights of the first layer by pixel of a patch and channel: those of what is denoised, then the rest."""
        return self.enter.weight.reshape(len(self.enter.bias), self.patches.side**2, -1)

    @staticmethod
    def build(
        rng: np.random.Generator, size: str, shape: tuple[int, int, int], context: Context, side: int
    ) -> "PatchTransformer":
        """A network for pictures of this shape. Raises `SpecError` where patches do not tile it."""
        if shape[0] % side or shape[1] % side:
            raise SpecError(
                f"Patches of side {side} do not tile {shape[:2]} pixels; set another DiffusionConfig.patch."
            )
        width, depth, heads = TRANSFORMER_SIZES[size]
        inside = side * side * shape[2]
        count = (shape[0] // side) * (shape[1] // side)
        return PatchTransformer(
            Condition.build(rng, width, context),
            linear(rng, inside * (context.known.shape[0] + 1), width),
            jnp.asarray(fan_in_normal(rng, (count, width), 1, 0.02)),
            tuple(AdaptiveBlock.build(rng, width, heads, width) for _ in range(depth)),
            linear(rng, width, inside, 0.0),
            Patches(side),
        )
