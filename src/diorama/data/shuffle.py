"""A shuffled order of many clips that needs no list of them, so that an epoch resumes from one integer.

A format-preserving permutation: a balanced Feistel network over the next power of four, with cycle walking (Black and
Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002, section 4). It shuffles; it hides nothing.
"""

from dataclasses import dataclass

import numpy as np

from diorama.core.errors import DataError

ROUNDS = 6


@dataclass(frozen=True)
class Shuffle:
    """The permutation of ``0 .. size - 1`` that belongs to a ``seed`` (non-negative integers). Takes no memory."""

    size: int
    seed: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.size < 1 or min(self.seed) < 0:
            raise DataError(
                f"Cannot shuffle {self.size} clips with seed {self.seed}; size >= 1 and seeds >= 0 are needed."
            )

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """What stands at ``positions`` (integers below ``size``, any shape) of the shuffled order, int64."""
        half = max(1, (int(self.size - 1).bit_length() + 1) // 2)
        keys = np.random.SeedSequence(self.seed).generate_state(ROUNDS, np.uint64)
        out = _feistel(np.asarray(positions, np.uint64), half, keys)
        while (outside := out >= self.size).any():
            out[outside] = _feistel(out[outside], half, keys)
        return out.astype(np.int64)


def _feistel(value: np.ndarray, half: int, keys: np.ndarray) -> np.ndarray:
    mask, shift = np.uint64((1 << half) - 1), np.uint64(half)
    left, right = value >> shift, value & mask
    for key in keys:
        left, right = right, left ^ (_mix(right + key) & mask)
    return (left << shift) | right


def _mix(value: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele, Lea and Flood, OOPSLA 2014, figure 5)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
