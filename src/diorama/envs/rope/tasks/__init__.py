"""Tasks with ropes: worlds with grippers, random starts and goals, and success as a function of what is seen."""

import importlib
from typing import Any

_MODULE_OF = {
    "HELD_OUT": "config",
    "RopeTask": "world",
    "TASKS": "registered",
    "TRAINING": "config",
    "Task": "task",
    "TaskConfig": "config",
    "make_task": "registered",
    "render": "drawing",
    "scripted": "world",
    "succeeded": "world",
}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"diorama.envs.rope.tasks has no name {name!r}")
    return getattr(importlib.import_module(f"diorama.envs.rope.tasks.{_MODULE_OF[name]}"), name)
