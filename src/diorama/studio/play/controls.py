"""What a player's hands mean in a world: nothing, axes from -1 to 1, or a point of the picture."""

import abc
from dataclasses import dataclass
from typing import final

import numpy as np

from diorama.core import EnvSpec
from diorama.envs.pusht.geometry import TABLE
from diorama.envs.pusht.interface import Absolute
from diorama.studio.play.push_t import agent_of, interface_of, is_push_t
from diorama.studio.play.scenes import Observation


@dataclass(frozen=True)
class Hands:
    """What a player does at one moment.

    ``axes``: the first entries of the action, each from -1 to 1 of its bounds (a stick, arrow keys); ``point``: where
    the pointer is, from 0 to 1 across and down the picture. Neither: hands off.
    """

    axes: tuple[float, ...] = ()
    point: tuple[float, float] | None = None

    @property
    def off(self) -> bool:
        """Whether nothing is done."""
        return self.point is None and not any(self.axes)


class Handle(abc.ABC):
    """Turns hands into the action of one world."""

    @abc.abstractmethod
    def action(self, hands: Hands, seen: Observation) -> np.ndarray:
        """The action [A] in the units and bounds of the world, given what it shows."""


@final
class Plain(Handle):
    """Axes are entries of the action between their bounds; a point is the first two axes."""

    def __init__(self, spec: EnvSpec) -> None:
        self._shape, self._dtype = spec.action.shape, spec.action.dtype
        low, high = (bound.reshape(-1) for bound in spec.action.bounds())
        self._low, self._high = np.where(np.isfinite(low), low, -1.0), np.where(np.isfinite(high), high, 1.0)
        self._rest = np.clip(np.zeros(self._low.size), self._low, self._high)

    def action(self, hands: Hands, seen: Observation) -> np.ndarray:
        """See `Handle`: 0 stays where the world rests, -1 and 1 are the bounds."""
        axes = hands.axes if hands.point is None else tuple(2.0 * p - 1.0 for p in hands.point)
        given = np.clip(np.zeros(self._rest.size), -1.0, 1.0)
        given[: min(len(axes), given.size)] = axes[: given.size]
        to = np.where(given < 0, self._low, self._high)
        return (self._rest + np.abs(given) * (to - self._rest)).reshape(self._shape).astype(self._dtype)


@final
class Step(Handle):
    """Push-T with displacements: axes move the agent, a point is where it shall go, as fast as it may."""

    def __init__(self, spec: EnvSpec) -> None:
        self._most = float(spec.action.bounds()[1].max())

    def action(self, hands: Hands, seen: Observation) -> np.ndarray:
        """See `Handle`."""
        agent = agent_of(seen) if hands.point is not None else None
        if agent is not None:
            return np.clip(np.array(hands.point) * TABLE - agent, -self._most, self._most).astype(np.float32)
        return (_two(hands.axes) * self._most).astype(np.float32)


@final
class Place(Handle):
    """Push-T with positions: axes aim a step ahead of the agent, a point is the position itself."""

    _ahead = 60.0

    def __init__(self) -> None:
        self._held = np.full(2, TABLE / 2)

    def action(self, hands: Hands, seen: Observation) -> np.ndarray:
        """See `Handle`; hands off holds the place."""
        agent = agent_of(seen)
        if hands.point is not None:
            self._held = np.array(hands.point) * TABLE
        elif agent is not None:
            self._held = agent + _two(hands.axes) * self._ahead
        return np.clip(self._held, 0.0, TABLE).astype(np.float32)


def handle_of(spec: EnvSpec) -> Handle:
    """The handle of a world."""
    if not is_push_t(spec):
        return Plain(spec)
    return Place() if isinstance(interface_of(spec), Absolute) else Step(spec)


def _two(axes: tuple[float, ...]) -> np.ndarray:
    return np.array([*axes, 0.0, 0.0][:2])
