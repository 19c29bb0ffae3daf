"""Tasks with ropes: worlds with grippers, random starts and goals, and success as a function of what is seen."""

import importlib
from typing import Any

_MODULE_OF = {
    "ByHand": "by_hand",
    "HELD_OUT": "config",
    "RopeTask": "world",
    "TASKS": "registered",
    "TRAINING": "config",
    "Task": "task",
    "TaskConfig": "config",
    "cost_left": "judging",
    "make_task": "registered",
    "render": "drawing",
    "scripted": "by_hand",
    "succeeded": "judging",
}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"diorama.envs.rope.tasks has no name {name!r}")
    return getattr(importlib.import_module(f"diorama.envs.rope.tasks.{_MODULE_OF[name]}"), name)
