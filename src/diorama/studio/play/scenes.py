"""What passes between a player and a world: starts, and scenes. JAX-free."""

from dataclasses import dataclass

import numpy as np

Observation = dict[str, np.ndarray]
"""One observation: arrays without a batch axis, by name."""


@dataclass(frozen=True, eq=False)
class Start:
    """Where play begins: what was really seen up to there, the oldest first, and what was done in between.

    ``seen`` has one entry more than ``done``; play begins at its last one. ``seed``: of reality, where it began there.
    """

    label: str
    seen: tuple[Observation, ...]
    done: tuple[np.ndarray, ...] = ()
    seed: int | None = None

    @property
    def last(self) -> Observation:
        """The observation at which play begins."""
        return self.seen[-1]


@dataclass(frozen=True, eq=False)
class Scene:
    """What a world shows after a step.

    ``spread``: how unsure the world is, in units of the normalised observation; 0 where it does not say. ``others``:
    further futures that it drew for the same step, ``[S, ...]`` by name; empty where it drew one.
    """

    observation: Observation
    reward: float = 0.0
    end: bool = False
    spread: float = 0.0
    others: Observation | None = None
