"""Rope tasks by name."""

import difflib
from collections.abc import Callable
from functools import partial

from diorama.core.errors import ConfigError
from diorama.envs.rope.execution import Execution, best
from diorama.envs.rope.tasks.coiling import Coiling
from diorama.envs.rope.tasks.gathering import Gathering
from diorama.envs.rope.tasks.letter import UNSEEN, Letter
from diorama.envs.rope.tasks.lifting import Lifting
from diorama.envs.rope.tasks.separation import Separation
from diorama.envs.rope.tasks.slingshot import Slingshot
from diorama.envs.rope.tasks.task import Task
from diorama.envs.rope.tasks.threading import Threading
from diorama.envs.rope.tasks.unknotting import Unknotting
from diorama.envs.rope.tasks.wiring import Wiring
from diorama.envs.rope.tasks.world import RopeTask
from diorama.envs.rope.tasks.wrapping import Wrapping

_MAKERS: tuple[Callable[[], Task], ...] = (
    Coiling,
    Gathering,
    Letter,
    partial(Letter, UNSEEN, name="letter-unseen"),
    Lifting,
    Separation,
    Slingshot,
    Threading,
    Unknotting,
    Wiring,
    Wrapping,
)
TASKS: dict[str, Callable[[], Task]] = {make().name: make for make in _MAKERS}
"""A maker of each task, by name."""


def make_task(name: str, execution: Execution | None = None) -> RopeTask:
    """The world of a task, on the fastest execution there is. Raises `ConfigError` that lists the names there are."""
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"No rope task is called {name!r}; there are {', '.join(sorted(TASKS))}.{hint}")
    return RopeTask(TASKS[name](), execution or best())
