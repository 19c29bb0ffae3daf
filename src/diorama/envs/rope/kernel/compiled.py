"""How this package compiles: without the interpreter's lock and without allocation, and kept on disk."""

import contextlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}, "_nrt": False}


def forget_stale(folder: Path) -> None:
    """Delete the indices of machine code that are older than any source of ``folder``.

    numba compiles anew when the file of the function changes that is called, not when that of one which this calls in
    turn does; the old code would go on running.
    """
    newest = max(source.stat().st_mtime for source in folder.glob("*.py"))
    for index in (folder / "__pycache__").glob("*.nbi"):
        # Another process may be ahead, or the folder may be nobody's to write to.
        with contextlib.suppress(OSError):
            if index.stat().st_mtime < newest:
                index.unlink()


forget_stale(Path(__file__).parent)


def compiled(function: Callable) -> Any:
    """``function``, compiled when it is first called; the machine code is kept beside its file."""
    # What checks types at run time wraps functions, and numba compiles none of its wrappers.
    return numba.njit(cache=True, **_OPTIONS)(inspect.unwrap(function))


def merged(function: Callable) -> Any:
    """As `compiled`, for what only calls others: written into its caller, so that nothing is compiled twice."""
    return numba.njit(cache=True, inline="always", **_OPTIONS)(inspect.unwrap(function))


def compiled_for(signature: str) -> Callable[[Callable], Any]:
    """As `compiled`, for these types alone: a call with a constant would else be compiled once for each constant."""
    return lambda function: numba.njit(signature, cache=True, **_OPTIONS)(inspect.unwrap(function))
