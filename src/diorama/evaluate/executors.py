"""Where work is done: in this process, in processes beside it, or by Ray, Dask or Slurm. JAX-free.

Every executor has the interface of `concurrent.futures.Executor`. A function that is submitted must be importable by
its name, and what goes in and comes out must be plain values, because it may run in another process.
"""

import contextlib
import importlib
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, final

from diorama.core.errors import ConfigError

Opened = contextlib.AbstractContextManager[Executor]
_WAITING = 64


@final
class InProcess(Executor):
    """Does what it is given at once, here."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """A future that is done."""
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@final
class RayExecutor(Executor):
    """Tasks of a Ray cluster that is connected (``ray.init``). Ray tries again where a worker dies."""

    def __init__(self, retries: int = 3) -> None:
        ray = _extra("ray", "ray")
        self._remote = ray.remote(max_retries=retries)(_call)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """The future of a Ray task."""
        return self._remote.remote(fn, args, kwargs).future()


@final
class SubmititExecutor(Executor):
    """Jobs of submitit: Slurm's, or those of its local and its debugging executor. One job for each call."""

    def __init__(self, executor: Any) -> None:
        self._executor, self._waiting = executor, ThreadPoolExecutor(_WAITING)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """The future of a job, whose outcome a thread waits for."""
        return self._waiting.submit(self._executor.submit(fn, *args, **kwargs).result)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop waiting for jobs."""
        self._waiting.shutdown(wait, cancel_futures=cancel_futures)


@dataclass(frozen=True)
class Place:
    """Where to work: ``open`` gives an executor within a block; ``count`` pieces of work may run at a time."""

    open: Callable[[], Opened]
    count: int


def find_place(words: str, folder: Path | None = None) -> Place:
    """Where ``words`` say: ``here``, ``processes:N``, ``ray:N``, ``ray:ADDRESS``, ``dask:N``, ``dask:ADDRESS``,
    ``slurm:N`` or ``submitit-local:N`` (jobs write into ``folder``). Raises `ConfigError` for anything else.
    """  # noqa: D205
    kind, _, rest = words.partition(":")
    if kind == "here" and not rest:
        return Place(lambda: contextlib.nullcontext(InProcess()), 1)
    if kind not in _PLACES or not rest:
        raise ConfigError(f"There is no executor {words!r}; use here, {', '.join(f'{name}:N' for name in _PLACES)}.")
    count = int(rest) if rest.isdigit() else _WAITING
    if count < 1 or (kind in _NUMBERED and not rest.isdigit()):
        raise ConfigError(f"{words!r} names no number of workers; say {kind}:2, for example.")
    return Place(lambda: _PLACES[kind](rest, count, folder or Path("jobs")), count)


@contextlib.contextmanager
def _processes(_: str, count: int, __: Path) -> Iterator[Executor]:
    with ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_deaf) as executor:
        try:
            yield executor
        except BaseException:
            # Leaving the block waits for running work; whoever interrupts does not want to.
            workers = list((executor._processes or {}).values())
            executor.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.terminate()
            raise


def _deaf() -> None:
    """Ctrl-C reaches every process of a terminal; the one that submitted the work says what becomes of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def _ray(rest: str, count: int, _: Path) -> Iterator[Executor]:
    ray = _extra("ray", "ray")
    begun = not ray.is_initialized()
    if begun:
        # Ray's job server takes commands from anyone who reaches it, so it never listens beyond this machine.
        local = {"num_cpus": count, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        ray.init(**(local if rest.isdigit() else {"address": rest}), configure_logging=False, log_to_driver=False)
    try:
        yield RayExecutor()
    finally:
        if begun:
            ray.shutdown()


@contextlib.contextmanager
def _dask(rest: str, count: int, _: Path) -> Iterator[Executor]:
    distributed = _extra("distributed", "dask")
    given: Mapping[str, Any] = {"address": rest}
    if rest.isdigit():
        given = {"n_workers": count, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with distributed.Client(**given, set_as_default=False) as client, client.get_executor(pure=False) as executor:
        yield executor


@contextlib.contextmanager
def _submitit(rest: str, count: int, folder: Path, cluster: str) -> Iterator[Executor]:
    executor = _extra("submitit", "slurm").AutoExecutor(folder, cluster=cluster)
    executor.update_parameters(
        timeout_min=24 * 60, **({"slurm_array_parallelism": count} if cluster == "slurm" else {})
    )
    with SubmititExecutor(executor) as waiting:
        yield waiting


_PLACES: Mapping[str, Callable[[str, int, Path], Opened]] = {
    "processes": _processes,
    "ray": _ray,
    "dask": _dask,
    "slurm": lambda rest, count, folder: _submitit(rest, count, folder, "slurm"),
    "submitit-local": lambda rest, count, folder: _submitit(rest, count, folder, "local"),
}
_NUMBERED = ("processes", "slurm", "submitit-local")


def _call(fn: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    return fn(*args, **kwargs)


def _extra(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"This executor needs {module}; install diorama[{extra}].") from error
