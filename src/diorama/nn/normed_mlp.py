"""Layers of linear map, RMS norm and SiLU, as in DreamerV3 (arXiv 2301.04104)."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.nn.fan_in import fan_in_normal
from diorama.nn.mlp import Linear
from diorama.nn.rms_norm import RMSNorm


def linear(rng: np.random.Generator, inputs: int, outputs: int, scale: float = 1.0) -> Linear:
    """A linear layer ``[inputs]`` to ``[outputs]`` with `fan_in_normal` weights and no offset."""
    return Linear(jnp.asarray(fan_in_normal(rng, (outputs, inputs), inputs, scale)), jnp.zeros(outputs))


class Dense(Module):
    """``silu(norm(linear(x)))``: ``[in]`` to ``[out]``; a batch is ``jax.vmap`` at the call."""

    linear: Linear
    norm: RMSNorm

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        """Map ``[in]`` to ``[out]``."""
        return jax.nn.silu(self.norm(self.linear(x)))

    @staticmethod
    def build(rng: np.random.Generator, inputs: int, outputs: int) -> "Dense":
        """A new layer."""
        return Dense(linear(rng, inputs, outputs), RMSNorm.build(outputs))


class NormedMLP(Module):
    """Some `Dense` layers, then a linear one: ``[in]`` to ``[out]``."""

    hidden: tuple[Dense, ...]
    last: Linear

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        """Map ``[in]`` to ``[out]``."""
        for layer in self.hidden:
            x = layer(x)
        return self.last(x)

    @staticmethod
    def build(rng: np.random.Generator, sizes: tuple[int, ...], last_scale: float = 1.0) -> "NormedMLP":
        """A network with layer ``sizes`` (input first, output last); ``last_scale`` 0 makes its first outputs 0."""
        pairs = zip(sizes[:-2], sizes[1:-1], strict=True)
        hidden = tuple(Dense.build(rng, inputs, outputs) for inputs, outputs in pairs)
        return NormedMLP(hidden, linear(rng, sizes[-2], sizes[-1], last_scale))
