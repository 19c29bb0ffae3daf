"""The report of a whole loop: what was learned, how it was tested, and how far it may be believed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from diorama.evaluate import Estimate
from diorama.studio.page import Page, new_figure
from diorama.studio.provenance import provenance

LADDER = {
    "L1": "one-step error",
    "L2": "open-loop horizon error",
    "L6": "a policy trained inside works outside",
}
"""The rungs of the evidence ladder that a loop can reach."""


def exam_section(page: Page, exam: Mapping[str, Any]) -> None:
    """What the model knows: error against horizon, beside copying the last observation."""
    page.heading("What the world knows (L1, L2)")
    period, horizon = exam["control_period"], np.asarray(exam["horizon"])
    first, last = _curve_text(exam["model"], 0), _curve_text(exam["model"], -1)
    copied = _curve_text(exam["copy_last"], -1)
    page.text(
        f"Imagined under the recorded actions of {exam['groups']} held-out episodes ({exam['windows']} windows). "
        f"Error in standard deviations of the data: {first} after one step of {period:g} s, {last} after "
        f"{horizon[-1]} steps; repeating the first observation gives {copied}. Intervals are bootstraps over episodes."
    )
    page.figure("open_loop", _exam_figure(exam), "Open-loop error on held-out episodes, with 95 % intervals.")


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
        axis.set(xlabel="updates", ylabel=label, title=stage)
    page.figure("learning", figure, "From metrics.jsonl. Returns are imagined: they are no evidence about reality.")


def score_rows(evaluations: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A table row for each policy: its name and each estimate."""
    return [[e["policy"], *(str(Estimate(**estimate)) for estimate in e["estimates"].values())] for e in evaluations]


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
    axis.set_xlabel(metric)
    return figure


def footer(page: Page, command: str, seed: int, seconds: Mapping[str, float]) -> None:
    """Where every figure comes from."""
    page.heading("Where this comes from")
    facts = {"command": f"`{command}`", "seed": str(seed)} | provenance()
    spent = ", ".join(f"{stage} {value:.0f} s" for stage, value in seconds.items())
    page.text("; ".join(f"{name}: {value}" for name, value in facts.items()) + f". Wall clock: {spent}.")


def read_json(path: Path) -> Any:
    """A JSON file of the run."""
    return json.loads(path.read_text(encoding="utf-8"))


def _curve_text(curve: Mapping[str, Any], index: int) -> str:
    return f"{curve['mean'][index]:.3f} [{curve['low'][index]:.3f}, {curve['high'][index]:.3f}]"


def _exam_figure(exam: Mapping[str, Any]) -> Figure:
    figure, axis = new_figure()
    seconds = np.asarray(exam["horizon"]) * exam["control_period"]
    for name, label in (("model", "learned world"), ("copy_last", "copy the first observation")):
        curve = exam[name]
        (line,) = axis.plot(seconds, curve["mean"], label=label)
        axis.fill_between(seconds, curve["low"], curve["high"], alpha=0.2, color=line.get_color(), linewidth=0)
    axis.set(xlabel="horizon [s]", ylabel="error [std of the data]", ylim=(0, None))
    axis.legend(frameon=False)
    return figure
