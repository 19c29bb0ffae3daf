"""Matrix products in the precision of their weights, and networks with rounded weights.

A processor with products of bfloat16 makes them about twice as fast as those of float32, with sums in float32. XLA
does so on a CPU where the operands are bfloat16; its precision setting for float32 operands changes nothing there.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

SMALLEST = 16
"""Weights with a side shorter than this stay as they are: their products cost little. So do those of convolutions."""


def product(values: Float[Array, "*N in"], weight: Float[Array, "out in"]) -> Float[Array, "*N out"]:
    """``values @ weight.T``, multiplied in the precision of ``weight`` and summed in float32."""
    # One contraction: XLA does not see a product of bfloat16 behind a transposed weight.
    axes = (((values.ndim - 1,), (1,)), ((), ()))
    return jax.lax.dot_general(values.astype(weight.dtype), weight, axes, preferred_element_type=jnp.float32)


def rounded(network: Any) -> Any:
    """The same network with the weights of its large products in bfloat16, for use without training."""

    def rounded_weight(leaf: Array) -> Array:
        large = leaf.ndim == 2 and min(leaf.shape) >= SMALLEST
        return leaf.astype(jnp.bfloat16) if large else leaf

    return jax.tree.map(rounded_weight, network)
