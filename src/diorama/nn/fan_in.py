"""Initial weights of layers that a norm follows, drawn with NumPy (see `initialisers` for why)."""

import numpy as np


def fan_in_normal(rng: np.random.Generator, shape: tuple[int, ...], inputs: int, scale: float = 1.0) -> np.ndarray:
    """Normal weights, cut at two standard deviations, with variance ``scale^2 / inputs``; ``scale`` 0 gives zeros.

    Source: LeCun et al. 1998, "Efficient BackProp", section 4.6, as in DreamerV3 (arXiv 2301.04104).
    """
    # A normal that is clipped at two deviations has a standard deviation of 0.9594.
    values = np.clip(rng.standard_normal(shape), -2.0, 2.0) / 0.9594
    return (scale * inputs**-0.5 * values).astype(np.float32)
