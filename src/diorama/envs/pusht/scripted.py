"""Scripted Push-T policies for `run_host`: demonstrations that solve the task, and play that explores contacts.

Both read the observation ``state`` (or else ``features``) of `PushT`, through either of its interfaces. Both are pure:
the memory holds all that an episode's script knows, so that an old memory may be used again, and an episode depends on
its seed and on what it observes alone. The scripts assume the default sizes, friction and latency.
"""

from typing import Any

import numpy as np

from diorama.core.errors import SpecError
from diorama.core.host_policy import HostPolicy
from diorama.core.spec import EnvSpec
from diorama.envs.pusht.geometry import DEFAULT_GOAL
from diorama.envs.pusht.scripted_demonstrator import Demonstrator
from diorama.envs.pusht.scripted_play import Player
from diorama.envs.pusht.scripted_tracking import controls_of

_READABLE = {"state": (5,), "features": (8,)}


class ScriptedDemonstrator(HostPolicy):
    """Solves Push-T in closed loop by planned pushes. ``goal`` is the pose [3] to reach (px, px, rad).

    The block's motion under a push is tabulated from quasi-static mechanics. Each push is the first of the cheapest
    sequence of up to three; after it the next is planned anew from what is seen.
    """

    def __init__(self, goal: tuple[float, float, float] = DEFAULT_GOAL) -> None:
        self.goal = np.asarray(goal, np.float64)

    def init(self, spec: EnvSpec, seeds: np.ndarray) -> tuple[Demonstrator, ...]:
        """One `Demonstrator` for each seed. Raises `SpecError` where the spec is not Push-T's."""
        _check(spec)
        return tuple(Demonstrator(controls_of(spec), int(seed)) for seed in seeds)

    def act(
        self, memory: tuple[Demonstrator, ...], observation: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, tuple[Demonstrator, ...]]:
        """Actions [N, 2] float32 and the demonstrators one step later."""
        return _act(memory, observation, self.goal)


class ScriptedPlay(HostPolicy):
    """Plays with the block: pushes from all around it, random moves towards it. Often it tends to ``goal`` [3]."""

    def __init__(self, goal: tuple[float, float, float] = DEFAULT_GOAL) -> None:
        self.goal = np.asarray(goal, np.float64)

    def init(self, spec: EnvSpec, seeds: np.ndarray) -> tuple[Player, ...]:
        """One `Player` for each seed. Raises `SpecError` where the spec is not Push-T's."""
        _check(spec)
        return tuple(Player(controls_of(spec), int(seed)) for seed in seeds)

    def act(
        self, memory: tuple[Player, ...], observation: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, tuple[Player, ...]]:
        """Actions [N, 2] float32 and the players one step later."""
        return _act(memory, observation, self.goal)


def _check(spec: EnvSpec) -> None:
    if not any(name in spec.observation and spec.observation[name].shape == shape for name, shape in _READABLE.items()):
        raise SpecError(
            f"{spec.name!r} observes {sorted(spec.observation)}; scripts need Push-T's 'state' or 'features'."
        )


def _states(observation: dict[str, np.ndarray]) -> np.ndarray:
    """Agent x, y, block x, y (px), angle (rad): [N, 5] float64."""
    if "state" in observation:
        return np.asarray(observation["state"], np.float64)
    features = np.asarray(observation["features"], np.float64)
    angle = np.arctan2(features[:, 7], features[:, 6])
    return np.column_stack([features[:, 0:2], features[:, 4:6], angle])


def _act(
    memory: tuple[Any, ...], observation: dict[str, np.ndarray], goal: np.ndarray
) -> tuple[np.ndarray, tuple[Any, ...]]:
    done = [script.act(state, goal) for script, state in zip(memory, _states(observation), strict=True)]
    return np.stack([action for action, _ in done]).astype(np.float32), tuple(script for _, script in done)
