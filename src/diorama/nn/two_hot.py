"""A scalar as a distribution over bins that lie densely near 0 and reach far out.

Source: symexp two-hot of DreamerV3 (arXiv 2301.04104, equations 9 to 11). The size of the gradient does not depend on
the size of the target, so one head fits rewards of any scale.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module, field


class TwoHot(Module):
    """An odd number ``count`` of bins at ``symexp`` of equal steps from ``-limit`` to ``limit``, mirrored exactly."""

    count: int = field(static=True, default=255)
    limit: float = field(static=True, default=20.0)

    @property
    def bins(self) -> np.ndarray:
        """Where the bins lie, ``[count]``, in the unit of the scalar."""
        half = np.expm1(np.linspace(0.0, self.limit, self.count // 2 + 1)).astype(np.float32)
        return np.concatenate([-half[:0:-1], half])

    def encode(self, target: Float[Array, ""]) -> Float[Array, " count"]:
        """The weights of the two bins around ``target`` whose mean it is; beyond the last bin, that bin."""
        bins = jnp.asarray(self.bins)
        below = jnp.clip(jnp.searchsorted(bins, target, side="right") - 1, 0, self.count - 2)
        low, high = bins[below], bins[below + 1]
        share = jnp.clip((target - low) / (high - low), 0.0, 1.0)
        return jnp.zeros(self.count).at[below].set(1 - share).at[below + 1].set(share)

    def loss(self, logits: Float[Array, " count"], target: Float[Array, ""]) -> Float[Array, ""]:
        """The cross-entropy against the encoded target; its gradient is ``softmax(logits) - encode(target)``."""
        return -jnp.sum(jax.lax.stop_gradient(self.encode(target)) * jax.nn.log_softmax(logits))

    def mean(self, logits: Float[Array, " count"]) -> Float[Array, ""]:
        """The mean, summed from the middle outwards in mirrored pairs, so that equal logits give exactly 0."""
        weighed = jax.nn.softmax(logits) * jnp.asarray(self.bins)
        middle = self.count // 2
        return weighed[middle] + jnp.sum(weighed[middle + 1 :] + weighed[:middle][::-1])
