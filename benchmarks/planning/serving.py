"""A worker: a process that opens, checks and times planners when asked on standard input. One side each.

Started as ``SCRIPT WEIGHTS CORES``. Questions and answers are JSON lines, so that `run.py` can let two sides alternate.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol


class Bench(Protocol):
    """A planner at a setting, ready to be timed."""

    def plan(self) -> None:
        """Plan once, to the end."""

    def scores(self) -> list[float]:
        """The imagined returns of the known plans."""

    def steps(self) -> int:
        """How many steps of the network one plan of two rounds imagines, counted as they happen."""


def take_cores() -> int:
    """Bind this process to the number of cores that it was asked for; before any library counts them."""
    cores = int(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    return cores


def serve(make: Callable[[str, str], Bench]) -> None:
    """Answer ``{"do": "open" | "check" | "measure", "name", "setting"}`` until standard input closes."""
    # Libraries print to standard output; answers go to the stream that was there before.
    answers, sys.stdout = sys.stdout, open(os.devnull, "w")
    benches: dict[tuple[str, str], Bench] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        key = asked["name"], asked["setting"]
        start, answer = (time.perf_counter(), time.process_time()), {}
        if asked["do"] == "open":
            benches[key] = make(*key)
            benches[key].plan()
        elif asked["do"] == "check":
            answer = {"scores": benches[key].scores(), "steps": benches[key].steps()}
        else:
            benches[key].plan()
        answer |= {"wall": time.perf_counter() - start[0], "cpu": time.process_time() - start[1]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
