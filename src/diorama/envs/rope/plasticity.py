"""Bending that stays: a rest curvature that follows where the elastic part would leave its yield circle.

The rule is return mapping per unit length, so a set does not depend on the mesh (a rule in integrated curvature does).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.envs.rope.vectors import length


class Plasticity(Module):
    """Elastic curvature at which bending yields [1/m], and the share of the excess that sets in one sub-step (0 to 1).

    With a share of 1 the rod is perfectly plastic: its elastic curvature never exceeds the yield curvature.
    """

    yield_curvature: Float[Array, ""]
    share: Float[Array, ""]


def return_map(
    plasticity: Plasticity, curvature: Float[Array, "J 2"], rest: Float[Array, "J 2"]
) -> Float[Array, "J 2"]:
    """The rest curvature [1/m] after one sub-step at ``curvature`` [1/m]."""
    elastic = curvature - rest
    size = length(jnp.pad(elastic, ((0, 0), (0, 1))))
    yields = size > plasticity.yield_curvature
    excess = jnp.where(yields, 1.0 - plasticity.yield_curvature / jnp.where(yields, size, 1.0), 0.0)
    return rest + plasticity.share * excess[:, None] * elastic
