"""Reality and simulators: the host loop, Gymnasium adapters, the registered worlds, and their conformance suite.

Names load on first use.
"""

import importlib
from typing import Any

_MODULE_OF = {
    "ENVIRONMENTS": "registered",
    "check_env": "check",
    "from_gymnasium": "adapters.gymnasium",
    "make": "registered",
    "run_host": "adapters.host",
}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"diorama.envs has no name {name!r}")
    return getattr(importlib.import_module(f"diorama.envs.{_MODULE_OF[name]}"), name)
