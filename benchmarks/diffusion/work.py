"""What every side does: the shapes, the sizes and the data. NumPy only: it runs in every virtual environment."""

from typing import Any

import numpy as np

CONTEXT, STEPS = 4, 3
"""Past observations that are seen, and Euler steps of a draw."""
STATE, ACTION, CHOICES = 20, 6, 4
"""Entries of the state and of its action; choices of the action beside pictures."""
HIDDEN = (512, 512, 512)
WAVES = 32
"""Waves of the noise level that the network of states sees."""
CHUNK = 4
"""Updates of one training job: ours are always a program of several."""
RATE = 1e-4


def data(side: int, batch: int, seed: int = 0) -> dict[str, np.ndarray]:
    """States ``[B, K + 1, O]``, or pictures ``[B, K + 1, side, side, 3]`` of uint8, and what was done ``[B, K, A]``."""
    rng = np.random.default_rng(seed)
    if side:
        seen = rng.integers(0, 256, (batch, CONTEXT + 1, side, side, 3), dtype=np.uint8)
        return {"seen": seen, "action": np.eye(CHOICES, dtype=np.float32)[rng.integers(0, CHOICES, (batch, CONTEXT))]}
    seen = rng.normal(size=(batch, CONTEXT + 1, STATE)).astype(np.float32)
    return {"seen": seen, "action": rng.uniform(-1, 1, (batch, CONTEXT, ACTION)).astype(np.float32)}


def of(asked: dict[str, Any]) -> dict[str, np.ndarray]:
    """The data of a question."""
    return data(asked["side"], asked["batch"])
