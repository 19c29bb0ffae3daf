"""Attention among a few tokens, and a transformer block that a condition modulates."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import ConfigError, Module, field
from diorama.nn.mlp import Linear, layer_norm
from diorama.nn.normed_mlp import linear

WIDENING = 4


class Attention(Module):
    """Every token looks at every token: ``[N, D]`` to ``[N, D]`` with some heads (Vaswani et al., arXiv 1706.03762)."""

    enter: Linear
    leave: Linear
    heads: int = field(static=True)

    def __call__(self, tokens: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """What each token gathers."""
        split = jax.vmap(self.enter)(tokens).reshape(len(tokens), 3, self.heads, -1)
        query, key, value = split[:, 0], split[:, 1], split[:, 2]
        likeness = jnp.einsum("qhd,khd->hqk", query, key) * query.shape[-1] ** -0.5
        gathered = jnp.einsum("hqk,khd->qhd", jax.nn.softmax(likeness), value)
        return jax.vmap(self.leave)(gathered.reshape(len(tokens), -1))

    @staticmethod
    def build(rng: np.random.Generator, width: int, heads: int) -> "Attention":
        """New weights. Raises `ConfigError` where ``heads`` do not divide ``width``."""
        if width % heads:
            raise ConfigError(f"{heads} heads do not divide a width of {width}; choose a multiple.")
        return Attention(linear(rng, width, 3 * width), linear(rng, width, width), heads)


class AdaptiveBlock(Module):
    """Attention and two layers, each behind a norm and on a residual path whose scale, shift and gate are conditioned.

    Source: adaLN-Zero of DiT (Peebles and Xie 2022, arXiv 2212.09748): gates start at 0, so the block at the identity.
    """

    modulate: Linear
    attention: Attention
    widen: Linear
    narrow: Linear

    def __call__(self, tokens: Float[Array, "N D"], condition: Float[Array, " n"]) -> Float[Array, "N D"]:
        """The tokens after the block."""
        parts = jnp.split(self.modulate(jax.nn.silu(condition)).reshape(1, -1), 6, axis=-1)
        scale, shift, gate, wide_scale, wide_shift, wide_gate = parts
        tokens = tokens + gate * self.attention(_normed(tokens, scale, shift))
        hidden = jax.nn.silu(jax.vmap(self.widen)(_normed(tokens, wide_scale, wide_shift)))
        return tokens + wide_gate * jax.vmap(self.narrow)(hidden)

    @staticmethod
    def build(rng: np.random.Generator, width: int, heads: int, condition: int) -> "AdaptiveBlock":
        """A new block."""
        modulate = Linear(jnp.zeros((6 * width, condition)), jnp.zeros(6 * width))
        wide = WIDENING * width
        return AdaptiveBlock(
            modulate, Attention.build(rng, width, heads), linear(rng, width, wide), linear(rng, wide, width)
        )


def _normed(tokens: Array, scale: Array, shift: Array) -> Array:
    return (1 + scale) * jax.vmap(layer_norm)(tokens) + shift
