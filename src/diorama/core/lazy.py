"""What loads on first use: names of packages, so that JAX-free modules stay so, and slow libraries."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def attach(
    package: str, home: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package (PEP 562); ``home``: module to the names it gives."""
    module_of = {name: module for module, names in home.items() for name in names}

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"{package} has no name {name!r}")
        return getattr(importlib.import_module(f"{package}.{module_of[name]}"), name)

    return get, lambda: sorted(module_of), sorted(module_of)


def deferred(module: str) -> Any:
    """A module that is imported when something of it is first asked for: SciPy's statistics take a second to load."""
    return _Deferred(module)


class _Deferred:
    """Stands for a module. The import system's own lock makes the first use safe among threads."""

    __slots__ = ("_module",)

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._module), name)
