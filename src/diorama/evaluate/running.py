"""Doing many work items anywhere, each once: finished ones are files, and a killed worker costs a retry. JAX-free.

The key of an item is the digest of everything that its outcome depends on, so that doing it twice gives the same bytes,
and an outcome that is there already is the outcome.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from diorama.core.errors import DataError
from diorama.core.files import write_atomically
from diorama.evaluate.executors import Place

Work = Callable[[str], bytes]
"""Does an item: from its text to the bytes of its outcome."""
Told = Callable[[int, int], None]
"""Told how many items are finished, of how many."""
SUFFIX = ".parquet"
_DEATHS = ("WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "KilledWorker", "UncompletedJobError")
"""Errors of Ray, Dask and submitit that say that a worker died, by name: they are not imported here."""


class Store:
    """Outcomes by key in a folder. Several processes may write into it; a file is whole or absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def has(self, key: str) -> bool:
        """Whether an item is finished."""
        return self._path(key).is_file()

    def put(self, key: str, outcome: bytes) -> None:
        """Keep an outcome."""
        path = self._path(key)
        # Two runs may finish one item at a time; each writes a file of its own before it takes the name.
        own = path.with_name(f"{path.name}.{os.getpid()}")
        write_atomically(own, outcome)
        own.replace(path)

    def get(self, key: str) -> bytes:
        """An outcome. Raises `DataError` where the item is not finished."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError as error:
            raise DataError(f"Item {key[:12]} is not finished; run the same command again.") from error

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"


def run_items(
    items: Mapping[str, str], work: Work, place: Place, store: Store, *, told: Told | None = None, retries: int = 3
) -> None:
    """Do all items that the store does not hold. ``items``: key to the text that ``work`` is given.

    An item whose worker died is tried again, up to ``retries`` times; an item that fails by an error of its own is not:
    the error is raised when the others are finished. Ctrl-C stops at once and keeps what is finished; the same call
    goes on from there.
    """
    run = _Run(items, work, store, retries, told)
    while run.left:
        with place.open() as executor:
            run.round(executor, place.count)
    if run.failed:
        raise next(iter(run.failed.values()))


class _Run:
    """One call of `run_items`. ``left``: how often each item that is not settled was tried in vain."""

    def __init__(self, items: Mapping[str, str], work: Work, store: Store, retries: int, told: Told | None) -> None:
        self._items, self._work, self._store, self._retries, self._told = items, work, store, retries, told
        self.left = {key: 0 for key in items if not store.has(key)}
        self.failed: dict[str, BaseException] = {}

    def round(self, executor: Executor, count: int) -> None:
        """Do what is left, until each item had its try or the pool of workers is gone."""
        running: dict[Future, str] = {}
        try:
            self._work_off(executor, count, running)
        except (BrokenProcessPool, KeyboardInterrupt) as error:
            finished = [future for future in running if future.done() and _sound(future)]
            for future in finished:
                self._settle(running.pop(future), future)
            if isinstance(error, KeyboardInterrupt):
                raise
            for key in running.values():
                self._again(key)

    def _work_off(self, executor: Executor, count: int, running: dict[Future, str]) -> None:
        waiting = sorted(self.left, key=self.left.__getitem__)
        while waiting or running:
            while waiting and len(running) < 2 * count and self._apart(waiting[0], running.values()):
                key = waiting.pop(0)
                running[executor.submit(self._work, self._items[key])] = key
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                self._settle(running[future], future)
                del running[future]

    def _apart(self, key: str, running: Iterable[str]) -> bool:
        """Whether an item may run beside these. One that lost its worker runs alone, so that it is blamed justly."""
        running = list(running)
        return not running or not (self.left[key] or any(self.left[other] for other in running))

    def _settle(self, key: str, future: Future) -> None:
        error = future.exception()
        if error is None:
            self._store.put(key, future.result())
            del self.left[key]
        elif isinstance(error, BrokenProcessPool):
            raise error
        elif type(error).__name__ in _DEATHS:
            self._again(key)
        else:
            self.failed[key] = error
            del self.left[key]
        if self._told is not None:
            self._told(len(self._items) - len(self.left), len(self._items))

    def _again(self, key: str) -> None:
        self.left[key] += 1
        if self.left[key] > self._retries:
            self.failed[key] = DataError(
                f"Item {key[:12]} lost its worker {self.left[key]} times; look for what ends it, such as too little "
                "memory."
            )
            del self.left[key]


def _sound(future: Future) -> bool:
    return not future.cancelled() and future.exception() is None
