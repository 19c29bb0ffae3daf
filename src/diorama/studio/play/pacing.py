"""When the next step is due. JAX-free."""

from collections.abc import Callable
from typing import final


@final
class Pace:
    """Steps at an even rate. A step that comes more than a period late is not caught up with, only counted."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._period = 1.0
        self._due = clock()
        self.behind = 0

    def set(self, period: float) -> None:
        """Another period [s]; the next step is due at once."""
        self._period = period
        self.restart()

    def restart(self) -> None:
        """The next step is due at once."""
        self._due = self._clock()

    def left(self) -> float:
        """Time until the next step [s]; not positive where it is due."""
        return self._due - self._clock()

    def tick(self) -> None:
        """A step is made."""
        now = self._clock()
        self._due += self._period
        if self._due < now:
            self.behind += 1
            self._due = now
