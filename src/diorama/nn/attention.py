"""Attention among a few tokens, and a transformer block that a condition modulates."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import ConfigError, Module, field
from diorama.nn.mlp import Linear, layer_norm
from diorama.nn.normed_mlp import linear
from diorama.nn.product import product

WIDENING = 4


class Seen(Module):
    """Tokens as others see them: keys and values ``[N, D]`` of all heads side by side."""

    keys: Float[Array, "N D"]
    values: Float[Array, "N D"]

    def beside(self, others: "Seen") -> "Seen":
        """These tokens, then the ``others``."""
        return jax.tree.map(lambda *parts: jnp.concatenate(parts), self, others)


class Attention(Module):
    """Every token looks at every token: ``[N, D]`` to ``[N, D]`` with some heads (Vaswani et al., arXiv 1706.03762)."""

    enter: Linear
    leave: Linear
    heads: int = field(static=True)

    def __call__(self, tokens: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """What each token gathers."""
        return self.gathered(tokens, self.seen(tokens))

    def seen(self, tokens: Float[Array, "N D"]) -> Seen:
        """The tokens as others see them."""
        keys_and_values = rows(_part(self.enter, tokens.shape[1], None), tokens)
        return Seen(*jnp.split(keys_and_values, 2, axis=-1))

    def gathered(self, tokens: Float[Array, "N D"], seen: Seen) -> Float[Array, "N D"]:
        """What each of these tokens gathers from those it sees."""
        queries = rows(_part(self.enter, 0, tokens.shape[1]), tokens)
        query, key, value = (part.reshape(len(part), self.heads, -1) for part in (queries, seen.keys, seen.values))
        likeness = jnp.einsum("qhd,khd->hqk", query, key) * query.shape[-1] ** -0.5
        found = jnp.einsum("hqk,khd->qhd", jax.nn.softmax(likeness), value)
        return rows(self.leave, found.reshape(len(tokens), -1))

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
        return self.last(tokens, condition, len(tokens))

    def last(self, tokens: Float[Array, "N D"], condition: Float[Array, " n"], count: int) -> Float[Array, "count D"]:
        """The last ``count`` tokens after the block: all that is needed of it where nothing reads the others."""
        return self.looking(tokens[-count:], condition, self.seen(tokens, condition))

    def seen(self, tokens: Float[Array, "N D"], condition: Float[Array, " n"]) -> Seen:
        """The tokens as others see them in this block."""
        scale, shift, *_ = self._modulation(condition)
        return self.attention.seen(_normed(tokens, scale, shift))

    def looking(self, tokens: Float[Array, "N D"], condition: Float[Array, " n"], seen: Seen) -> Float[Array, "N D"]:
        """These tokens after the block, where they look at the ``seen``, and at themselves only if among them."""
        scale, shift, gate, wide_scale, wide_shift, wide_gate = self._modulation(condition)
        tokens = tokens + gate * self.attention.gathered(_normed(tokens, scale, shift), seen)
        hidden = jax.nn.silu(rows(self.widen, _normed(tokens, wide_scale, wide_shift)))
        return tokens + wide_gate * rows(self.narrow, hidden)

    def _modulation(self, condition: Float[Array, " n"]) -> list[Float[Array, "1 D"]]:
        return jnp.split(self.modulate(jax.nn.silu(condition)).reshape(1, -1), 6, axis=-1)

    @staticmethod
    def build(rng: np.random.Generator, width: int, heads: int, condition: int) -> "AdaptiveBlock":
        """A new block."""
        modulate = Linear(jnp.zeros((6 * width, condition)), jnp.zeros(6 * width))
        wide = WIDENING * width
        return AdaptiveBlock(
            modulate, Attention.build(rng, width, heads), linear(rng, width, wide), linear(rng, wide, width)
        )


def rows(layer: Linear, tokens: Float[Array, "N in"]) -> Float[Array, "N out"]:
    """The layer on each token, as one product: under a batch, `jax.vmap` of the layer would transpose all tokens."""
    return product(tokens, layer.weight) + layer.bias.reshape(1, -1)


def _part(layer: Linear, begin: int | None, end: int | None) -> Linear:
    """Some outputs of a layer."""
    return Linear(layer.weight[begin:end], layer.bias[begin:end])


def _normed(tokens: Array, scale: Array, shift: Array) -> Array:
    return (1 + scale) * jax.vmap(layer_norm)(tokens) + shift
