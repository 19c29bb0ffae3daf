"""A worker: one process for each virtual environment that measures its loaders when asked on standard input.

Questions and answers are JSON lines, so that `run.py` can let the loaders of two environments alternate.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from clips import drawn, error, load_episodes

Loader = Callable[[np.ndarray], Iterator[dict[str, Any]]]
"""From clip numbers [batches, batch] to state, action and (where it loads them) pictures of each batch."""


def serve(make: dict[str, Callable[[Path], Loader]], write: Callable[[Path], dict[str, Any]]) -> None:
    """Answer ``{"do": "write" | "open" | "measure" | "check", ...}`` until standard input closes."""
    root = Path(sys.argv[1])
    # Libraries print to standard output; answers go to the stream that was there before.
    answers, sys.stdout = sys.stdout, sys.stderr
    loaders: dict[str, Loader] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        name = asked.get("loader", "")
        start = time.perf_counter(), time.process_time()
        answer: dict[str, Any] = {}
        if asked["do"] == "write":
            answer = write(root)
        elif asked["do"] == "open":
            loaders[name] = make[name](root)
        elif asked["do"] == "check":
            numbers = drawn(1, **asked["draw"])
            answer = error(next(iter(loaders[name](numbers))), numbers[0], load_episodes(root / "episodes.npz"))
        else:
            numbers = drawn(asked["batches"], **asked["draw"])
            start = time.perf_counter(), time.process_time()
            if sum(1 for _ in loaders[name](numbers)) != asked["batches"]:
                raise RuntimeError(f"{name} gave another number of batches than was asked for")
        answer |= {"wall": time.perf_counter() - start[0], "cpu": time.process_time() - start[1]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
