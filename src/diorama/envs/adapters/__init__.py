"""Worlds that are not JAX: the one Python loop that drives them, and any Gymnasium environment as a `HostEnv`.

Names load on first use, so that the Gymnasium adapter does not cost an import of JAX before it drives a JAX policy.
"""

import importlib
from typing import Any

_MODULE_OF = {
    "GymnasiumEnv": "gymnasium",
    "Hosted": "hosted",
    "check_actions": "host",
    "complete_scenario": "host",
    "from_gymnasium": "gymnasium",
    "run_host": "host",
}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"diorama.envs.adapters has no name {name!r}")
    return getattr(importlib.import_module(f"diorama.envs.adapters.{_MODULE_OF[name]}"), name)
