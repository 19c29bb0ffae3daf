"""The mirror image of Push-T: the T, the goal and the table are their own reflections in one line through the goal.

The goal's stem points along the anti-diagonal of the square table, so (x, y) and (512 - y, 512 - x) are two views of
one task. Each demonstration therefore shows two ways to solve it, and none but the recorded ones are collected.
"""

from dataclasses import replace

import numpy as np

from diorama.core import Window
from diorama.data import Windows
from diorama.envs.pusht.geometry import TABLE

FEATURES = (1, 0, 3, 2, 5, 4, 7, 6)
"""Where each entry of the mirrored ``features`` comes from: x from y in each pair, the cosine from the sine."""
SIGN = np.array([-1, -1, -1, -1, -1, -1, 1, 1], np.float32)
SHIFT = np.array([TABLE, TABLE, 0, 0, TABLE, TABLE, 0, 0], np.float32)


def mirrored_features(rows: np.ndarray) -> np.ndarray:
    """Mirrored observations ``features`` ``[..., 8]``."""
    return SHIFT + SIGN * rows[..., list(FEATURES)]


def mirrored_actions(rows: np.ndarray) -> np.ndarray:
    """Mirrored relative actions ``[..., 2]``."""
    return -rows[..., ::-1]


class Mirrored:
    """Windows of ``features`` of which one half, drawn anew each time, is mirrored."""

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def sample(self, rng: np.random.Generator, batch: int) -> Window:
        """A batch of windows ``[batch, T, ...]``, drawn with replacement."""
        window = self.windows.sample(rng, batch)
        chosen = rng.random((batch, 1, 1)) < 0.5
        seen = window.observation["features"]
        return replace(
            window,
            observation={"features": np.where(chosen, mirrored_features(seen), seen)},
            action=np.where(chosen, mirrored_actions(window.action), window.action),
        )
