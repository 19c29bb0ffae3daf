"""The one convolution: channels last, 3 x 3 with stride 1 or 4 x 4 with stride 2.

XLA's own convolution is good on a CPU as long as it goes forwards, and 20 to 50 times slower where its gradient is
taken inside a scan, and every chunk of training is a scan over updates. So the gradient is ours: that of the picture is
one more convolution forwards, with the weights turned round, and that of the weights is plain matrix products. Pictures
grow by `depth_to_space`, never by a transposed convolution.
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
        return self.product(picture) + self.bias.reshape(1, 1, -1)

    def product(self, picture: Float[Array, "H W in"]) -> Float[Array, "h w out"]:
        """The convolved picture without the bias."""
        picture = jnp.pad(picture, ((1, 1), (1, 1), (0, 0)))
        if self.stride == 1:
            return _convolved(picture, self.weight)
        # 4 x 4 with stride 2 is 2 x 2 with stride 1 on squares of pixels.
        _, _, inputs, outputs = self.weight.shape
        squares = self.weight.reshape(2, 2, 2, 2, inputs, outputs).transpose(0, 2, 1, 3, 4, 5)
        return _convolved(space_to_depth(picture), squares.reshape(2, 2, 4 * inputs, outputs))

    def of_channels(self, begin: int | None, end: int | None) -> "Convolution":
        """The same for some of the channels. The products of parts add up to that of the whole."""
        return Convolution(self.weight[:, :, begin:end], self.bias, self.stride)

    @staticmethod
    def build(rng: np.random.Generator, inputs: int, outputs: int, *, stride: int, scale: float = 1.0) -> "Convolution":
        """New weights. Raises `ConfigError` for a stride other than 1 and 2."""
        if stride not in KERNEL:
            raise ConfigError(f"A convolution of stride {stride} is none of ours; choose one of {sorted(KERNEL)}.")
        size = KERNEL[stride]
        weight = fan_in_normal(rng, (size, size, inputs, outputs), size * size * inputs, scale)
        return Convolution(jnp.asarray(weight), jnp.zeros(outputs), stride)


def space_to_depth(picture: Float[Array, "H W C"], side: int = 2) -> Float[Array, "h w D"]:
    """Each square of ``side`` x ``side`` pixels as one pixel of that many times the channels (row, column, channel)."""
    height, width, channels = picture.shape
    squares = picture.reshape(height // side, side, width // side, side, channels)
    return squares.transpose(0, 2, 1, 3, 4).reshape(height // side, width // side, side * side * channels)


def depth_to_space(picture: Float[Array, "h w D"], side: int = 2) -> Float[Array, "H W C"]:
    """The inverse of `space_to_depth` (Shi et al. 2016, arXiv 1609.05158)."""
    height, width, depth = picture.shape
    squares = picture.reshape(height, width, side, side, depth // side**2)
    return squares.transpose(0, 2, 1, 3, 4).reshape(side * height, side * width, depth // side**2)


@jax.custom_vjp
def _convolved(picture: Array, weight: Array) -> Array:
    """Where the weights fit into the picture, with stride 1: ``[H, W, in]`` to ``[H - k + 1, W - k + 1, out]``."""
    kinds = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(picture[None], weight, (1, 1), "VALID", dimension_numbers=kinds)[0]


def _forwards(picture: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    return _convolved(picture, weight), (picture, weight)


def _backwards(seen: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
    """The derivatives by picture and weights, from that by what was convolved."""
    picture, weight = seen
    size, around = len(weight), (len(weight) - 1,) * 2
    turned = weight[::-1, ::-1].swapaxes(2, 3)
    of_picture = _convolved(jnp.pad(slope, (around, around, (0, 0))), turned)
    height, width, outputs = slope.shape
    slopes = slope.reshape(height * width, outputs)

    def of_shift(row: int, column: int) -> Array:
        shifted = picture[row : row + height, column : column + width]
        return shifted.reshape(height * width, -1).T @ slopes

    of_weight = [jnp.stack([of_shift(row, column) for column in range(size)]) for row in range(size)]
    return of_picture, jnp.stack(of_weight)


_convolved.defvjp(_forwards, _backwards)
