"""What every side does: shapes, numbers and data. NumPy only: it runs in every virtual environment."""

import numpy as np

HORIZON = 16
STATE, ACTION = 20, 2
"""Entries of the state (nine keypoints and a pusher) and of the action."""
BATCHES = 4
"""Minibatches in which the critics see, once, everything that was imagined."""
DISCOUNT, TRACE, CLIP, RATE = 0.99, 0.95, 1.0, 5e-4
EFFORT = 0.1
"""Weight of the squared action in the cost of the plant."""

SURROGATE, DMO_ACTOR, DMO_CRITIC = 512, (128, 64, 32), (64, 64)
"""Widths of the DMO recipe (arXiv 2509.00215): two surrogate layers, the actor, the critic."""
LATENT, ENCODER, UNITS, PWM_ACTOR, PWM_CRITIC, PWM_CRITICS = 512, 256, (512, 512), (400, 200, 100), (400, 200), 3
"""Widths of PWM's published configuration (``pwm.yaml``), which has three critics."""


def starts(worlds: int) -> np.ndarray:
    """First states ``[worlds, STATE]``."""
    return np.random.default_rng(0).normal(size=(worlds, STATE)).astype(np.float32)


def plant() -> tuple[np.ndarray, np.ndarray]:
    """The forward world of the DMO rows, cheap on purpose: ``s' = A s + B a``; the matrices."""
    rng = np.random.default_rng(1)
    turn = rng.normal(size=(STATE, STATE)).astype(np.float32)
    drift = np.eye(STATE, dtype=np.float32) + np.float32(0.02) * (turn - turn.T)
    return drift, rng.normal(size=(STATE, ACTION)).astype(np.float32) * np.float32(0.1)
