"""Initial parameters, drawn with NumPy: each new shape of an eager ``jax.random`` call would compile a program."""

import numpy as np


def orthogonal(rng: np.random.Generator, shape: tuple[int, int], gain: float = 1.0) -> np.ndarray:
    """A matrix ``[out, in]`` with orthonormal rows or columns, times ``gain`` (Saxe et al. 2014, arXiv 1312.6120)."""
    rows, columns = shape
    matrix, triangle = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    matrix = matrix * np.sign(np.diag(triangle))
    return (gain * (matrix if rows >= columns else matrix.T)).astype(np.float32)
