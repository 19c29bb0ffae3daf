"""Slow work that a page waits for: one worker, results kept, asked for by key and looked at again until it is there."""

import concurrent.futures
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from diorama.core.errors import DioramaError

LOG = logging.getLogger("diorama.studio")
_KEPT, _WAITING = 24, 8
WORKING, READY, IMPOSSIBLE, BUSY = "working", "ready", "impossible", "busy"


@dataclass(frozen=True)
class Job:
    """Where a piece of work stands: its ``state``, its ``result`` when ready, else ``why`` not, in a sentence."""

    state: str
    result: Any = None
    why: str = ""


@dataclass
class Workshop:
    """Does one piece of work at a time, so that a page never takes the machine away from training."""

    _jobs: OrderedDict[str, Future] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="studio-film"))

    def ask(self, key: str, make: Callable[[], Any]) -> Job:
        """The work under this key, begun now if nobody asked before."""
        with self._lock:
            if key not in self._jobs:
                if sum(not job.done() for job in self._jobs.values()) >= _WAITING:
                    return Job(BUSY, why="Others are being made; ask again in a few seconds.")
                self._jobs[key] = self._pool.submit(make)
            self._jobs.move_to_end(key)
            self._forget()
            return _stand(key, self._jobs[key])

    def wait(self, seconds: float | int) -> bool:
        """Wait for all that was begun, so long at most; whether anything had been begun."""
        with self._lock:
            begun = list(self._jobs.values())
        concurrent.futures.wait(begun, seconds)
        return bool(begun)

    def close(self) -> None:
        """Drop what waits."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _forget(self) -> None:
        finished = [key for key, job in self._jobs.items() if job.done()]
        for key in finished[: max(0, len(self._jobs) - _KEPT)]:
            del self._jobs[key]


def _stand(key: str, job: Future) -> Job:
    if not job.done():
        return Job(WORKING, why="It is being made.")
    error = job.exception()
    if error is None:
        return Job(READY, job.result())
    if not isinstance(error, DioramaError):
        LOG.error("the film %s broke", key, exc_info=error)
    said = (
        str(error) if isinstance(error, DioramaError) else "Something broke while it was made; the terminal says what."
    )
    return Job(IMPOSSIBLE, why=said)
