"""A gated recurrent unit whose weights are block-diagonal, so that a large state stays cheap.

Source: DreamerV3 (arXiv 2301.04104), appendix B; the gates are those of Cho et al. 2014 (arXiv 1406.1078) with the
reset applied to the candidate, and an update gate that starts nearly shut.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import ConfigError, Module
from diorama.nn.fan_in import fan_in_normal
from diorama.nn.rms_norm import RMSNorm

UPDATE_OFFSET = -1.0


class BlockLinear(Module):
    """One linear map for each of G blocks: ``[G, in]`` to ``[G, out]``."""

    weight: Float[Array, "G out in"]
    bias: Float[Array, "G out"]

    def __call__(self, x: Float[Array, "G in"]) -> Float[Array, "G out"]:
        """Map each block by its own weights."""
        return jnp.einsum("gi,goi->go", x, self.weight) + self.bias

    @staticmethod
    def build(rng: np.random.Generator, blocks: int, inputs: int, outputs: int) -> "BlockLinear":
        """New weights; ``inputs`` and ``outputs`` are those of one block."""
        return BlockLinear(
            jnp.asarray(fan_in_normal(rng, (blocks, outputs, inputs), inputs)), jnp.zeros((blocks, outputs))
        )


class BlockGRU(Module):
    """A recurrent state ``[D]`` in G blocks, moved by inputs ``[n]`` that every block sees."""

    mix: BlockLinear
    norm: RMSNorm
    gates: BlockLinear

    def __call__(self, state: Float[Array, " D"], inputs: Float[Array, " n"]) -> Float[Array, " D"]:
        """The state one step later."""
        blocks = state.reshape(self.gates.bias.shape[0], -1)
        hidden = jax.nn.silu(self.norm(self._mixed(blocks, inputs)))
        # Gates stay in blocks until the end: entry by entry in the flat order, a CPU computes them one at a time.
        reset, candidate, update = jnp.split(self.gates(hidden.reshape(blocks.shape)), 3, axis=1)
        candidate = jnp.tanh(jax.nn.sigmoid(reset) * candidate)
        update = jax.nn.sigmoid(update + UPDATE_OFFSET)
        return (update * candidate + (1 - update) * blocks).reshape(-1)

    def _mixed(self, blocks: Float[Array, "G b"], inputs: Float[Array, " n"]) -> Float[Array, " D"]:
        """``mix`` of each block beside the inputs. What all blocks see is one product, not one for each block."""
        size, weight = blocks.shape[1], self.mix.weight
        own = jnp.einsum("gi,goi->go", blocks, weight[:, :, :size])
        shared = weight[:, :, size:].reshape(blocks.size, -1) @ inputs
        return (own + self.mix.bias).reshape(-1) + shared

    @staticmethod
    def build(rng: np.random.Generator, size: int, inputs: int, blocks: int) -> "BlockGRU":
        """A new unit with a state of ``size`` entries. Raises `ConfigError` where ``blocks`` do not divide it."""
        if size % blocks:
            raise ConfigError(f"{blocks} blocks do not divide a state of {size} entries; choose a multiple.")
        block = size // blocks
        mix = BlockLinear.build(rng, blocks, block + inputs, block)
        return BlockGRU(mix, RMSNorm.build(size), BlockLinear.build(rng, blocks, block, 3 * block))
