"""What windows need of a dataset. `diorama.data.Dataset` has it; a stand-in in a test may too."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class EpisodeSource(Protocol):
    """Episodes on disk, rows of all episodes one after another.

    ``path``: its folder; ``features``: the columns by name, as `Feature` or as in ``info.json``; ``lengths`` and
    ``starts``: rows of each episode and its first row, int64 ``[E]``; ``camera_keys``: the features that are pictures;
    ``identity``: a digest that changes when the columns do.
    """

    path: Path
    features: Mapping[str, Any]
    lengths: np.ndarray
    starts: np.ndarray
    camera_keys: Sequence[str]
    identity: str

    def column(self, key: str) -> np.ndarray:
        """The values of one feature, ``[num_frames, *shape]``."""
        ...

    def frames(self, key: str, episode: int) -> np.ndarray:
        """The decoded frames of one camera and one episode, uint8 ``[T, H, W, C]``."""
        ...
