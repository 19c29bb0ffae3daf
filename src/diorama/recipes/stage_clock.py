"""How long each kind of work took, over all attempts of a run. JAX-free."""

import time
from collections.abc import Callable
from typing import TypeVar

from diorama.recipes.run_folder import RunFolder

Result = TypeVar("Result")
_NOTE = "seconds"


class StageClock:
    """Adds up the seconds of each kind of work in the run folder."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run

    def __call__(self, kind: str, work: Callable[[], Result]) -> Result:
        """Do the work; its seconds count for ``kind``."""
        begun = time.perf_counter()
        result = work()
        spent = self._run.finished(_NOTE) or {}
        self._run.finish(_NOTE, spent | {kind: spent.get(kind, 0.0) + time.perf_counter() - begun})
        return result
