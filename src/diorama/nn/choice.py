"""A choice by scores: what a discrete action does, while actions are vectors everywhere."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def choice(scores: Float[Array, "*B n"]) -> Float[Array, "*B n"]:
    """1 at the largest score (of equals the first), 0 elsewhere; its derivative is that of the scores.

    Source: the straight-through estimator (Bengio et al. 2013, arXiv 1308.3432).
    """
    chosen = jax.nn.one_hot(jnp.argmax(scores, axis=-1), scores.shape[-1])
    return chosen + (scores - jax.lax.stop_gradient(scores))
