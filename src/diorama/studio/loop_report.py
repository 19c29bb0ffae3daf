"""The report of a whole loop: what was learned, how it was tested, and how far it may be believed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from diorama.studio.exam_report import action_section, calibration_section, prediction_section, units_section
from diorama.studio.page import Page, new_figure
from diorama.studio.provenance import provenance

LADDER = {
    "L0": "it looks right",
    "L1": "its error one step ahead is known",
    "L2": "its error many steps ahead, without looking again, is known",
    "L3": "it knows how wrong it may be (calibrated uncertainty)",
    "L4": "other actions change the outcome as in reality",
    "L5": "policies rank in it as in reality",
    "L6": "a policy trained inside it works outside",
    "L7": "and that holds with a stated confidence on a declared population, paid for by real trials",
}
"""The evidence ladder: what has to be shown before a learned world may be believed so far."""


def exam_section(page: Page, exam: Mapping[str, Any]) -> None:
    """What the model knows: all that the exam examined."""
    prediction_section(page, exam)
    units_section(page, exam)
    calibration_section(page, exam)
    action_section(page, exam)


def learning_section(page: Page, metrics: list[dict[str, Any]], curves: Mapping[str, tuple[str, str]]) -> None:
    """Learning curves; ``curves``: stage to (metric, label)."""
    shown = {stage: c for stage, c in curves.items() if any(m["stage"] == stage and c[0] in m for m in metrics)}
    if not shown:
        return
    page.heading("How learning went")
    figure, axes = new_figure(7.0, 2.6, ncols=len(shown), squeeze=False)
    for axis, (stage, (name, label)) in zip(axes[0], shown.items(), strict=True):
        points = [(m["step"], m[name]) for m in metrics if m["stage"] == stage and name in m]
        axis.plot(*zip(*points, strict=True))
        axis.set(xlabel="updates", ylabel=label)
    caption = "From metrics.jsonl."
    if "fit" in shown:
        caption += " The world with the lowest held-out loss is the one that is kept."
    if "train" in shown:
        caption += " Returns are imagined: a rising curve is no evidence about reality."
    page.figure("learning", figure, caption)


def ladder_section(page: Page, reached: Mapping[str, str]) -> None:
    """Which levels of evidence there are, and for which of them this page holds evidence: level to where it stands."""
    page.heading("How far this may be believed")
    page.text("A claim about a learned world may not exceed the level that its evidence reaches.")
    rows = [[level, meaning, reached.get(level, "not examined here")] for level, meaning in LADDER.items()]
    page.table(["level", "what has to be shown", "evidence here"], rows)


def score_figure(evaluations: Sequence[Mapping[str, Any]], metric: str) -> Figure:
    """Means with intervals, and every episode as a point."""
    figure, axis = new_figure(7.0, 0.6 + 0.55 * len(evaluations))
    for place, record in enumerate(evaluations):
        scores, estimate = np.asarray(record["scores"][metric], float), record["estimates"][metric]
        jitter = np.random.default_rng(0).uniform(-0.18, 0.18, scores.size)
        axis.plot(scores, place + jitter, ".", color="#999999", alpha=0.5, markersize=4)
        error = [[estimate["value"] - estimate["low"]], [estimate["high"] - estimate["value"]]]
        axis.errorbar([estimate["value"]], [place], xerr=error, fmt="o", color="#D55E00", capsize=4)
    axis.set_yticks(range(len(evaluations)), [record["policy"] for record in evaluations])
    axis.invert_yaxis()
    axis.set_xlabel(f"{metric} (higher is better)")
    return figure


def footer(page: Page, command: str, seed: int, seconds: Mapping[str, float]) -> None:
    """Where every figure comes from."""
    page.heading("Where this comes from")
    facts = {"command": f"`{command}`", "seed": str(seed)} | provenance()
    if seconds:
        facts["wall clock"] = ", ".join(f"{stage} {value:.0f} s" for stage, value in seconds.items())
    page.table(["fact", "value"], list(facts.items()))
