"""Group norm whose scale and shift come from a condition."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module, field
from diorama.nn.mlp import Linear

GROUP = 32
"""Channels of a group; fewer channels are one group."""
EPSILON = 1e-5


def group_norm(picture: Float[Array, "H W C"], groups: int) -> Float[Array, "H W C"]:
    """Each group of channels with mean 0 and variance 1 over group and picture (Wu and He 2018, arXiv 1803.08494)."""
    height, width, channels = picture.shape
    grouped = picture.reshape(height, width, groups, channels // groups)
    centred = grouped - jnp.mean(grouped, axis=(0, 1, 3), keepdims=True)
    scale = jax.lax.rsqrt(jnp.mean(centred**2, axis=(0, 1, 3), keepdims=True) + EPSILON)
    return (centred * scale).reshape(picture.shape)


class AdaptiveGroupNorm(Module):
    """``(1 + scale) group_norm(picture) + shift``, with scale and shift linear in a condition ``[n]``.

    Source: Dhariwal and Nichol 2021 (arXiv 2105.05233), section 3.1, as in DIAMOND (arXiv 2405.12399).
    """

    modulate: Linear
    groups: int = field(static=True)

    def __call__(self, picture: Float[Array, "H W C"], condition: Float[Array, " n"]) -> Float[Array, "H W C"]:
        """The picture, normed and modulated."""
        scale, shift = jnp.split(self.modulate(condition).reshape(1, 1, -1), 2, axis=-1)
        return (1 + scale) * group_norm(picture, self.groups) + shift

    @staticmethod
    def build(channels: int, condition: int) -> "AdaptiveGroupNorm":
        """A norm that starts without modulation."""
        groups = max(channels // GROUP, 1)
        return AdaptiveGroupNorm(Linear(jnp.zeros((2 * channels, condition)), jnp.zeros(2 * channels)), groups)
