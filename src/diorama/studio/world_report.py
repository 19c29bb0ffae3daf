"""The report of ``diorama fit``."""

from pathlib import Path

from diorama.recipes.loop import EXAM
from diorama.recipes.run_folder import RunFolder
from diorama.studio.loop_report import exam_section, footer, learning_section, read_json
from diorama.studio.page import Page


def write_world_report(run: RunFolder, command: str, seed: int) -> Path:
    """Write ``report.html`` and ``report.md`` into the run folder; returns the path of the HTML."""
    page = Page(
        "A learned world", "How well it predicts episodes that it was not trained on (evidence levels L1 and L2)."
    )
    exam_section(page, read_json(run.path / EXAM))
    learning_section(page, run.metrics(), {"fit": ("held_out", "held-out loss")})
    footer(page, command, seed, {})
    return page.write(run.path)
