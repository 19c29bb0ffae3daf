"""One fixed record for each episode: outcome, progress, terminal cause, the phase that it reached, and the factors."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from diorama.core.errors import DataError


@dataclass(frozen=True, eq=False)
class Records:
    """N episodes of one policy in one world, column by column.

    ``seed`` int64 [N]. ``success`` bool [N]. ``progress`` float64 [N]: the best score of the episode, larger is better.
    ``cause`` [N]: why it ended. ``phase`` [N]: the last phase of the task that it reached. ``factors``: the scenario,
    name to float64 [N]. Raises `DataError` where a column has another length.
    """

    seed: np.ndarray
    success: np.ndarray
    progress: np.ndarray
    cause: np.ndarray
    phase: np.ndarray
    factors: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = {name: getattr(self, name) for name in ("success", "progress", "cause", "phase")}
        columns |= {f"factor {name}": values for name, values in self.factors.items()}
        if wrong := sorted(name for name, values in columns.items() if len(values) != len(self.seed)):
            raise DataError(f"There are {len(self.seed)} seeds and another number of rows in {wrong}; give one each.")

    def __len__(self) -> int:
        return len(self.seed)

    @property
    def failed(self) -> np.ndarray:
        """Which episodes failed, bool [N]."""
        return ~np.asarray(self.success, bool)

    def counts(self, column: str) -> dict[str, int]:
        """How many failures have each value of ``cause`` or ``phase``, the most frequent first."""
        values, counts = np.unique(np.asarray(getattr(self, column))[self.failed].astype(str), return_counts=True)
        order = np.lexsort((values, -counts))
        return {str(values[i]): int(counts[i]) for i in order}
