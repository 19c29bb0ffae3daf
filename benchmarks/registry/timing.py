"""How times are taken, here and in the peer's environment, which has no Diorama."""

import time
from collections.abc import Callable
from typing import Any


def seconds(work: Callable[[], Any], repeats: int) -> list[float]:
    """The times of ``repeats`` calls [s]."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return times
