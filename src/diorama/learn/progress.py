"""How a learner tells the outside world where it is: one call after each jitted chunk. JAX-free."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Report:
    """Where a stage of learning stands: updates done, updates planned, the latest metrics, seconds since it began."""

    stage: str
    step: int
    total: int
    metrics: dict[str, float]
    seconds: float


@runtime_checkable
class Progress(Protocol):
    """What takes reports: a progress bar, a file, a test."""

    def __call__(self, report: Report) -> None:
        """Take one report. Called in order, on the thread that learns."""


def silent(report: Report) -> None:
    """Ignore the report."""


@dataclass(frozen=True)
class JsonLines:
    """Appends each report to a file, one JSON object a line (``metrics.jsonl``)."""

    path: Path

    def __call__(self, report: Report) -> None:
        """Append one line."""
        line = {"stage": report.stage, "step": report.step, "seconds": round(report.seconds, 3)} | report.metrics
        with self.path.open("a") as handle:
            handle.write(json.dumps(line) + "\n")


@dataclass(frozen=True)
class Several:
    """Passes each report to several listeners."""

    listeners: tuple[Progress, ...]

    def __call__(self, report: Report) -> None:
        """Tell all of them, in order."""
        for listener in self.listeners:
            listener(report)


@dataclass
class History:
    """Keeps every report, for curves."""

    reports: list[Report] = field(default_factory=list)

    def __call__(self, report: Report) -> None:
        """Keep one report."""
        self.reports.append(report)

    def curve(self, name: str) -> tuple[list[int], list[float]]:
        """Steps and values of one metric."""
        kept = [r for r in self.reports if name in r.metrics]
        return [r.step for r in kept], [r.metrics[name] for r in kept]


@dataclass(frozen=True)
class Clock:
    """Makes the reports of one stage."""

    stage: str
    total: int
    progress: Progress
    begun: float = field(default_factory=time.perf_counter)

    def report(self, step: int, metrics: dict[str, float]) -> None:
        """Send one report."""
        self.progress(Report(self.stage, step, self.total, metrics, time.perf_counter() - self.begun))
