"""What every side does: the sizes, the shapes and the data. NumPy only: it runs in every virtual environment."""

from typing import Any, NamedTuple

import numpy as np

BATCH, TIME = 16, 64
"""Sequences of an update, and observations of each (the first one starts from an empty state)."""
HORIZON = 15
"""Steps of imagination; it starts from each of the ``BATCH * TIME`` states."""
STATE, ACTION, SIDE = 24, 6, 64
"""Entries of the vector observation and of the action (those of a planar walker), and the side of the picture."""
UNIMIX, FREE_NATS, REPRESENTATION = 0.01, 1.0, 0.1
RATE, CLIP = 1e-3, 1.0
"""AdamW's learning rate and the norm beyond which the gradient is scaled down, the same on every side."""


class Widths(NamedTuple):
    """Widths of a size, as in `diorama.models.rssm.config.RSSM_SIZES`."""

    state: int
    hidden: int
    classes: int
    depth: int
    units: int


def data(camera: bool, seed: int = 0) -> dict[str, np.ndarray]:
    """One batch: observation ``[B, T, ...]``, the action that led to each, the reward of it; nothing ends."""
    rng = np.random.default_rng(seed)
    shape = (BATCH, TIME)
    if camera:
        seen = {"image": rng.integers(0, 256, (*shape, SIDE, SIDE, 3), dtype=np.uint8)}
    else:
        seen = {"vector": rng.normal(size=(*shape, STATE)).astype(np.float32)}
    action = rng.uniform(-1, 1, (*shape, ACTION)).astype(np.float32)
    return seen | {"action": action, "reward": rng.normal(size=shape).astype(np.float32)}


def widths(asked: dict[str, Any]) -> Widths:
    """The widths that a question names."""
    return Widths(*asked["widths"])
