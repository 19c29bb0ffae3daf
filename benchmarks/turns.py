"""Two or more programs measured in turns, each in a process of its own, so that a noisy moment strikes them all.

A side serves jobs (`serve`) and is asked on standard input, in JSON lines; the asking side (`Side`, `in_turns`) pins it
to some cores. Standard library only, because sides run in several virtual environments.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Job = Callable[[], Any]
"""One unit of the work that is measured; it returns when the work is done."""
PIN = "import json, os, sys; os.sched_setaffinity(0, json.loads(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
"""A program that keeps itself to given cores and becomes the command that follows."""
ROOT = Path(__file__).resolve().parents[1]
SECONDS = 1.0
"""About how long one side measures in one round."""


def serve(make: Callable[[dict[str, Any]], tuple[Job, dict[str, Any]]]) -> None:
    """Answer ``{"do": "make" | "run", ...}`` until standard input closes.

    ``make(asked)`` prepares a job and says what is known of it. Libraries that print to standard output are turned
    away to standard error, so that answers stay readable.
    """
    answers, sys.stdout = sys.stdout, sys.stderr
    job: Job = lambda: None  # noqa: E731
    for line in sys.stdin:
        asked = json.loads(line)
        wall, cpu = time.perf_counter(), time.process_time()
        answer: dict[str, Any] = {}
        if asked["do"] == "make":
            # The job before this one goes first, so that its memory is free.
            job = lambda: None  # noqa: E731
            job, answer = make(asked)
            job()
        else:
            for _ in range(asked["times"]):
                job()
        answer |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Side:
    """A process that serves jobs, pinned to cores of this machine."""

    def __init__(
        self, name: str, command: list[str], cores: list[int], log: Path, more: dict[str, str] | None = None
    ) -> None:
        self.name, self.log, pipe = name, log, subprocess.PIPE
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(len(cores)))
        environment = os.environ | threads | {"JAX_PLATFORMS": "cpu"} | (more or {})
        pin = [sys.executable, "-c", PIN, json.dumps(cores)]
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [*pin, *command], stdin=pipe, stdout=pipe, stderr=errors, text=True, env=environment
            )

    def ask(self, **question: Any) -> dict[str, Any]:
        """The answer to one question. Raises `RuntimeError` with the end of the log where the process died."""
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} failed at {question}:\n{self.log.read_text()[-3000:]}")
        return json.loads(answer)

    def close(self) -> None:
        """Let the process end."""
        self.process.stdin.close()
        self.process.wait()


def in_turns(sides: list[Side], question: dict[str, Any], rounds: int) -> list[dict[str, Any]]:
    """What each side needs for one unit of a job, a row for each: medians over ``rounds``, and what was made.

    ``wall_ms`` and ``cpu_ms`` of one unit; ``first_s``, the wall time of making the job and running it once,
    compilation included; ``each_wall_ms``, every round.
    """
    begun = {side: _begun(side, question, needed=side is sides[0]) for side in sides}
    rows = {side: row for side, row in begun.items() if row is not None}
    for _ in range(rounds):
        for side, row in rows.items():
            took = side.ask(do="run", times=row["times"])
            for clock in ("wall", "cpu"):
                row[clock].append(1e3 * took[clock] / row["times"])
    for row in rows.values():
        row["each_wall_ms"] = row["wall"]
        row |= {f"{clock}_ms": statistics.median(row.pop(clock)) for clock in ("wall", "cpu")}
    return list(rows.values())


def _begun(side: Side, question: dict[str, Any], *, needed: bool) -> dict[str, Any] | None:
    """The row of a side whose job is made; None, and a line on standard error, where a peer cannot do it."""
    try:
        made = side.ask(do="make", **question)
        trial = side.ask(do="run", times=1)
    except (RuntimeError, BrokenPipeError) as error:
        if needed:
            raise
        sys.stderr.write(f"{side.name} is left out: {error}\n")
        return None
    times = int(min(max(SECONDS / trial["wall"], 1), 2000))
    facts = {name: value for name, value in made.items() if name not in ("wall", "cpu")}
    return {"side": side.name, "first_s": made["wall"], "times": times, "wall": [], "cpu": []} | facts


def processor() -> str:
    """The name of this machine's processor, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def parser(description: str) -> argparse.ArgumentParser:
    """What every benchmark in turns is asked: whose Python, how many cores, how often, what to leave out."""
    asked = argparse.ArgumentParser(description=description)
    asked.add_argument("--python", type=Path, default=ROOT / ".peer" / "bin" / "python", help="that of the peers")
    asked.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="how many cores, one table each")
    asked.add_argument("--rounds", type=int, default=7)
    asked.add_argument("--without", nargs="*", default=[], help="variants to leave out, such as: compiled")
    asked.add_argument("--quick", action="store_true", help="one core, one round, few rows: to see that it works")
    asked.add_argument("--out", type=Path, help="where to write the figures as JSON")
    return asked


def asked_of(parser: argparse.ArgumentParser, maker: str) -> argparse.Namespace:
    """What was asked for. Ends with a sentence where the peers' Python is missing; ``maker`` is the script for it."""
    asked = parser.parse_args()
    if not asked.python.exists():
        raise SystemExit(f"There is no Python for the peers; make one with benchmarks/{maker}.")
    return asked
