"""Waves of a scalar, through which a network resolves small differences of it."""

from statistics import NormalDist

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def waves_of(value: Float[Array, ""], count: int) -> Float[Array, " n"]:
    """Sines and cosines of ``2 pi f value``: ``[count]``, an even number of entries, for ``count / 2`` frequencies f.

    Source: random Fourier features (Tancik et al. 2020, arXiv 2006.10739), as in EDM's embedding of the noise level.
    Frequencies are the positive half of a standard normal at even quantiles in place of draws from it, so they are no
    parameters and no seed changes them.
    """
    angle = value * jnp.asarray(_frequencies(count // 2))
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)])


def _frequencies(count: int) -> np.ndarray:
    quantiles = [0.5 + 0.5 * (i + 0.5) / count for i in range(count)]
    return np.asarray([2 * np.pi * NormalDist().inv_cdf(q) for q in quantiles], np.float32)
