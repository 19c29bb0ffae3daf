"""Recorded actions played again, by which the ranking study weighs its worlds. Addressed as ``file.py:replay``."""

import pathlib
from typing import Any, final

import numpy as np

from diorama.core import EnvSpec, HostPolicy
from diorama.data import Dataset


@final
class Replay(HostPolicy):
    """Recorded actions [E, T, A], whatever happens; the episode is the seed's distance from ``first``."""

    def __init__(self, actions: np.ndarray, first: int) -> None:
        self.actions, self.first = actions, first

    def init(self, spec: EnvSpec, seeds: np.ndarray) -> Any:
        """The actions [N, T, A] of these seeds, and the step."""
        return self.actions[np.asarray(seeds) - self.first], 0

    def act(self, memory: Any, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, Any]:
        """What was done at this step, and after the end of the record what was done last."""
        actions, step = memory
        return actions[:, min(step, actions.shape[1] - 1)], (actions, step + 1)


def replay(data: str, first: int, of: str) -> HostPolicy:
    """The actions of a dataset's episodes; ``of``: the Merkle root of its episodes, which tells it from another."""
    dataset = Dataset.open(pathlib.Path(data))
    # The last row of an episode has no outcome, so its action was never taken.
    recorded = [dataset.episode(number)["action"][:-1] for number in range(dataset.num_episodes)]
    longest = max(len(actions) for actions in recorded)
    padded = [np.concatenate([a, np.repeat(a[-1:], longest - len(a), axis=0)]) for a in recorded]
    return Replay(np.stack(padded), first)
