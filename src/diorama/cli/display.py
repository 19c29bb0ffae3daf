"""Progress on the terminal: one bar for each stage, one plain line each now and then where there is no terminal."""

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from diorama.learn.progress import Report

_PLAIN_INTERVAL = 10.0
_WIDTH = 1000
_SHOWN = ("held_out", "loss", "return")


class Display:
    """Shows the stages of a job. Use as a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        if not self.console.is_terminal:
            self.console.width = _WIDTH
        columns = (
            TextColumn("{task.description:<22}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._bars = Progress(*columns, TextColumn("{task.fields[note]}", markup=False), console=self.console)
        self._tasks: dict[str, TaskID] = {}
        self._spoken: dict[str, float] = {}

    def __enter__(self) -> "Display":
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self._bars.stop()

    def stage(self, name: str, done: int, total: int, note: str = "") -> None:
        """Show that ``done`` of ``total`` steps of a stage are done."""
        if self.console.is_terminal:
            self._draw(name, done, total, note)
        elif done >= total or time.monotonic() - self._spoken.get(name, -_PLAIN_INTERVAL) >= _PLAIN_INTERVAL:
            self._spoken[name] = time.monotonic()
            self.say(f"{name}: {done}/{total} {note}".rstrip())

    def learning(self, report: Report) -> None:
        """Show where a learner stands."""
        shown = [f"{name.replace('_', ' ')} {report.metrics[name]:.3g}" for name in _SHOWN if name in report.metrics]
        self.stage(report.stage, report.step, report.total, ", ".join(shown[:1]))

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table. The first column names things and is never cut; a file or a pipe gets lines of any length."""
        table = Table(box=None, header_style="dim", pad_edge=False)
        for number, name in enumerate(header):
            table.add_column(Text(name), no_wrap=number == 0)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(table)

    def _draw(self, name: str, done: int, total: int, note: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, note="")
        self._bars.update(self._tasks[name], completed=done, total=total, note=note)
