"""How this package compiles: without the interpreter's lock and without allocation, and kept on disk."""

import inspect
from collections.abc import Callable
from typing import Any

import numba

_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}, "_nrt": False}


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
