"""The one convolution: channels last, 3 x 3 with stride 1 or 4 x 4 with stride 2, as one matrix product.

XLA's own convolution is 20 to 50 times slower on a CPU when its gradient is taken inside a scan, and every chunk of
training is a scan over updates. Shifted copies of the picture side by side, times one matrix, have no such trap, and at
batches of a few hundred pictures they are no slower outside of one. Pictures grow by `depth_to_space`, never by a
transposed convolution.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import ConfigError, Module, field
from diorama.nn.fan_in import fan_in_normal

KERNEL = {1: 3, 2: 4}
"""Stride to kernel size."""


class Convolution(Module):
    """Pictures ``[H, W, in]`` to ``[H, W, out]`` (stride 1) or ``[H / 2, W / 2, out]`` (stride 2, H and W even).

    Zeros surround the picture. A batch is ``jax.vmap`` at the call.
    """

    weight: Float[Array, "k k in out"]
    bias: Float[Array, " out"]
    stride: int = field(static=True)

    def __call__(self, picture: Float[Array, "H W in"]) -> Float[Array, "h w out"]:
        """The convolved picture."""
        # The shifted copies are made again on the way back; kept, they would be 9 times the picture.
        product = jax.checkpoint(_product, static_argnums=2)(picture, self.weight, self.stride)
        return product + self.bias.reshape(1, 1, -1)

    @staticmethod
    def build(rng: np.random.Generator, inputs: int, outputs: int, *, stride: int, scale: float = 1.0) -> "Convolution":
        """New weights. Raises `ConfigError` for a stride other than 1 and 2."""
        if stride not in KERNEL:
            raise ConfigError(f"A convolution of stride {stride} is none of ours; choose one of {sorted(KERNEL)}.")
        size = KERNEL[stride]
        weight = fan_in_normal(rng, (size, size, inputs, outputs), size * size * inputs, scale)
        return Convolution(jnp.asarray(weight), jnp.zeros(outputs), stride)


def space_to_depth(picture: Float[Array, "H W C"]) -> Float[Array, "h w D"]:
    """Each 2 x 2 square of pixels as one pixel of four times the channels (row, column, channel)."""
    height, width, channels = picture.shape
    squares = picture.reshape(height // 2, 2, width // 2, 2, channels)
    return squares.transpose(0, 2, 1, 3, 4).reshape(height // 2, width // 2, 4 * channels)


def depth_to_space(picture: Float[Array, "h w D"]) -> Float[Array, "H W C"]:
    """The inverse of `space_to_depth` (Shi et al. 2016, arXiv 1609.05158)."""
    height, width, depth = picture.shape
    squares = picture.reshape(height, width, 2, 2, depth // 4)
    return squares.transpose(0, 2, 1, 3, 4).reshape(2 * height, 2 * width, depth // 4)


def _product(picture: Array, weight: Array, stride: int) -> Array:
    """The convolution of a picture with zeros around it."""
    picture = jnp.pad(picture, ((1, 1), (1, 1), (0, 0)))
    if stride == 1:
        return _shifted_product(picture, weight)
    # 4 x 4 with stride 2 is 2 x 2 with stride 1 on squares of pixels: 4 shifted copies in place of 16.
    _, _, inputs, outputs = weight.shape
    squares = weight.reshape(2, 2, 2, 2, inputs, outputs).transpose(0, 2, 1, 3, 4, 5)
    return _shifted_product(space_to_depth(picture), squares.reshape(2, 2, 4 * inputs, outputs))


def _shifted_product(picture: Array, weight: Array) -> Array:
    size, _, inputs, outputs = weight.shape
    height, width = picture.shape[0] - size + 1, picture.shape[1] - size + 1
    shifts = [picture[i : i + height, j : j + width] for i in range(size) for j in range(size)]
    return jnp.concatenate(shifts, axis=-1) @ weight.reshape(size * size * inputs, outputs)
