"""Play: the worlds under one player's hands, a main one and, beside it, one that gets the same actions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from diorama.core.errors import ConfigError, SpecError
from diorama.studio.play.config import PlayConfig
from diorama.studio.play.controls import Hands, handle_of
from diorama.studio.play.drives import Drive
from diorama.studio.play.scenes import Scene, Start
from diorama.studio.play.stable import Offer, Stable
from diorama.studio.play.views import View, apart, view_of


@dataclass(frozen=True, eq=False)
class Passed:
    """One step that was played: the action, and what the main world showed before and after it."""

    action: np.ndarray
    before: Scene
    after: Scene


@final
class Seat:
    """A world in play: its offer, its drive, its view, and what it shows now."""

    def __init__(self, offer: Offer, drive: Drive) -> None:
        self.offer, self.drive = offer, drive
        self.view: View = view_of(drive.spec)
        self.scene: Scene

    def begin(self, start: Start) -> "Seat":
        """Begin from this start."""
        self.scene = self.drive.begin(start)
        return self

    def step(self, action: np.ndarray) -> None:
        """One control period. Raises `SpecError` where the world breaks down; its last scene stays."""
        scene = self.drive.step(action)
        if not all(np.isfinite(value).all() for value in scene.observation.values()):
            raise SpecError(f"{self.offer.title} broke down: it shows numbers that are not finite; begin again.")
        self.scene = scene


@final
class Play:
    """One player's play. Not to be used by two threads at once.

    ``told(step)`` is told of every step of the main world: a recorder listens there.
    """

    def __init__(self, stable: Stable, config: PlayConfig, offer: Offer, start: Start) -> None:
        self._stable, self._config = stable, config
        self.start = start
        self.told: Callable[[Passed], None] = lambda passed: None
        self.main = self._seat(offer, start)
        self.beside: Seat | None = None
        self._handle = handle_of(self.main.drive.spec)
        self._again()

    @property
    def step_number(self) -> int:
        """Steps since play began from its start."""
        return self._count

    @property
    def apart(self) -> dict[str, float]:
        """How far the main world and the one beside it are from one another; see `diorama.studio.play.views.apart`."""
        if self.beside is None:
            return {}
        return apart(self.main.scene.observation, self.beside.scene.observation, self.main.drive.spec)

    def act(self, hands: Hands) -> None:
        """One control period of both worlds under the same action."""
        before = self.main.scene
        action = self._handle.action(hands, before.observation)
        self.main.step(action)
        if self.beside is not None:
            self.beside.step(action)
        self._note(Passed(action, before, self.main.scene))

    def reset(self, start: Start | None = None) -> None:
        """Both worlds begin again, from the same start or from another one."""
        start = start or self.start
        self.main.begin(start)
        if self.beside is not None:
            self.beside.begin(start)
        self.start = start
        self._again()

    def switch(self, offer: Offer, again: bool) -> None:
        """Another main world; both begin from what is seen now, or ``again`` from the start, and do all that was done.

        Raises `ConfigError` for a world of another arena and where too much was done, `SpecError` where a world cannot
        begin there. Then nothing is changed.
        """
        self._check(offer)
        where, actions = self._from(again)
        seat = self._played(self._seat(offer, where), actions)
        beside = self.beside and self._played(self.beside.begin(where), actions)
        self.main, self.beside = seat, beside
        self._handle = handle_of(seat.drive.spec)
        if not again:
            self.start = where
            self._again()

    def put_beside(self, offer: Offer | None, again: bool) -> None:
        """Another world beside the main one (or none): from what is seen now, or ``again`` from the start.

        Raises as `switch`.
        """
        if offer is None:
            self.beside = None
            return
        self._check(offer)
        where, actions = self._from(again)
        self.beside = self._played(self._seat(offer, where), actions)

    def here(self) -> Start:
        """What is seen now, as a start, with as much of what came before as a world is told."""
        recent = self._recent[-(self._config.context - 1) :] if self._config.context > 1 else []
        seen = [passed.before.observation for passed in recent] + [self.main.scene.observation]
        return Start("from here", tuple(seen), tuple(passed.action for passed in recent))

    def _check(self, offer: Offer) -> None:
        if offer.arena != self.main.offer.arena:
            raise ConfigError(f"{offer.title} takes other actions than {self.main.offer.title}; begin anew in it.")

    def _from(self, again: bool) -> tuple[Start, Sequence[np.ndarray]]:
        if not again:
            return self.here(), ()
        if self._count > len(self._actions):
            raise ConfigError(f"Only {self._config.replay} steps can be done again; begin anew, or go on from here.")
        return self.start, tuple(self._actions)

    def _seat(self, offer: Offer, start: Start) -> Seat:
        return Seat(offer, self._stable.drive(offer, start)).begin(start)

    @staticmethod
    def _played(seat: Seat, actions: Sequence[np.ndarray]) -> Seat:
        for action in actions:
            seat.step(action)
        return seat

    def _again(self) -> None:
        self._count = 0
        self._actions: list[np.ndarray] = []
        self._recent: list[Passed] = []

    def _note(self, passed: Passed) -> None:
        self._count += 1
        if len(self._actions) < self._config.replay:
            self._actions.append(passed.action)
        self._recent = [*self._recent[-self._config.context :], passed]
        self.told(passed)
