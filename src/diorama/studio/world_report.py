"""The report of ``diorama fit``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diorama.recipes.loop import EXAM
from diorama.recipes.run_folder import RunFolder
from diorama.studio.exam_report import exam_reached
from diorama.studio.loop_report import exam_section, footer, ladder_section, learning_section
from diorama.studio.page import Page
from diorama.studio.scores import read_json


def write_world_report(run: RunFolder, command: str, seed: int) -> Path:
    """Write ``report.html`` and ``report.md`` into the run folder; returns the path of the HTML."""
    exam = read_json(run.path / EXAM)
    page = Page("A learned world", _lead(exam))
    exam_section(page, exam)
    learning_section(page, run.metrics(), {"fit": ("held_out", "held-out loss")})
    ladder_section(page, exam_reached(exam))
    footer(page, command, seed, {})
    return page.write(run.path)


def _lead(exam: Mapping[str, Any]) -> str:
    """The result in one sentence."""
    steps, paired = exam["horizon"][-1], exam["paired"]
    ours, copied = (100 * exam[name]["mean"][-1] for name in ("model", "copy_last"))
    verdict = "better than" if paired["high"][-1] < 0 else "not shown to be better than"
    return (
        f"{steps} steps ahead, on episodes that it was not trained on, the world is wrong by {ours:.1f} % of the "
        f"standard deviation of the data: {verdict} repeating the first observation ({copied:.1f} %)."
    )
