"""The charts of the pages, from the answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from diorama.studio.web.answers.datasets import Signal
from diorama.studio.web.answers.gate import Agreement
from diorama.studio.web.answers.pairs import Paired
from diorama.studio.web.answers.policies import Outcomes
from diorama.studio.web.answers.runs import Curve
from diorama.studio.web.answers.scores import Score
from diorama.studio.web.charts.forest import Estimated, forest
from diorama.studio.web.charts.plot import Plot, span
from diorama.studio.web.words import interval_words, number, score_words

COLOURS = ("c1", "c2", "c3", "c4", "c5", "c6")
_ENTRIES, _CAP = 6, 4.0


def scores_chart(scores: Sequence[Score], by: str, label: str) -> Markup:
    """Scores with intervals; ``by`` names the lines: ``policy`` or ``world``."""
    rows = []
    for score in scores:
        words, link = (
            (score.label, f"/policies/{score.policy}")
            if by == "policy"
            else (score.world_name, f"/worlds/{score.world}")
        )
        stale = score.status in ("STALE", "INVALID") or score.policy_status in ("STALE", "INVALID")
        state = f" ({score.policy_status if by == 'policy' else score.status})" if stale else ""
        state = state or (" (scripted)" if by == "policy" and score.scripted else "")
        reference = by == "policy" and score.scripted
        colour = "c6" if stale or reference else "c1" if score.origin == "real" else "c3"
        rows.append(Estimated(words + state, score.value, score.low, score.high, score_words(score), link, colour))
    rate = bool(scores) and scores[0].rate
    return forest(rows, label, (0.0, 1.0) if rate else None, rate)


def pair_chart(pair: Paired) -> Markup:
    """The paired difference with its interval, and every pair as a point."""
    points = tuple(np.subtract(pair.a_values, pair.b_values)) if not pair.rate else ()
    said = interval_words(pair.value, pair.low, pair.high, pair.rate, pair.n)
    colour = "c1" if pair.low > 0 else "c2" if pair.high < 0 else "c6"
    line = Estimated("difference, paired by seed", pair.value, pair.low, pair.high, said, "", colour, points)
    bounds = (-1.0, 1.0) if pair.rate else None
    return forest([line], f"Paired difference in {pair.metric}", bounds, pair.rate)


def strip_chart(found: Outcomes) -> Markup:
    """Every episode's value, sorted."""
    values = sorted(found.values)
    plot = Plot(
        (0, max(len(values), 1)),
        span(values, zero=min(values, default=0) >= 0),
        f"{found.score.metric} of every episode",
    )
    plot.x_label, plot.y_label, plot.height = "episodes, sorted", found.score.metric[:34], 200
    for place, value in enumerate(values):
        plot.bar(place + 0.1, place + 0.9, value, "c1", f"{value:.4g}")
    return plot.svg()


def exam_chart(exam: Mapping[str, Any]) -> Markup:
    """Open-loop error against how far ahead, beside what the world has to beat, with intervals."""
    period = float(exam.get("control_period") or 1.0)
    ahead = [step * period for step in exam["horizon"]]
    curves = {"this world": exam["model"], "standing still": exam.get("copy_last")}
    curves |= {name: one.get("error") for name, one in (exam.get("baselines") or {}).items()}
    curves = {name: curve for name, curve in curves.items() if curve}
    highest = max(max(curve["mean"]) for curve in curves.values())
    ours = max(exam["model"]["high"])
    top = min(highest, max(_CAP * ours, 1.2))
    plot = Plot(
        (0, ahead[-1]),
        (0.0, 1.08 * max(top, ours)),
        "Open-loop error against how far ahead",
        "how far ahead [s]",
        "error [std of the data]",
    )
    for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
        keep = [k for k, value in enumerate(curve["mean"]) if value <= plot.y[1]]
        if "low" in curve and keep:
            low, high = ([min(curve[end][k], plot.y[1]) for k in keep] for end in ("low", "high"))
            plot.band([ahead[k] for k in keep], low, high, colour)
        plot.line([ahead[k] for k in keep], [curve["mean"][k] for k in keep], colour, name)
    return plot.svg()


def calibration_chart(found: Mapping[str, Any], period: float) -> Markup:
    """How often the central interval holds the truth against how often it should."""
    plot = Plot((0, 1), (0, 1), "Calibration: how often intervals hold the truth", "nominal level", "holds the truth")
    plot.segment((0, 0), (1, 1), "c6", "grid")
    levels = sorted(found["coverage"], key=float)
    for place, horizon in enumerate(found["horizon"]):
        colour = COLOURS[place % len(COLOURS)]
        values = [float(found["coverage"][level]["mean"][place]) for level in levels]
        plot.line([float(level) for level in levels], values, colour, f"{horizon * period:g} s ahead")
        for level, value in zip(levels, values, strict=True):
            plot.dot(float(level), value, colour, f"{float(level):.0%} interval holds {value:.0%}", 3)
    return plot.svg()


def curve_charts(curves: Sequence[Curve], names: Sequence[str] = ()) -> list[tuple[str, Markup]]:
    """One small chart for each metric of each stage; ``names``: only these metrics, where any are logged."""
    chosen = [curve for curve in curves if curve.metric in names] or list(curves)
    found = []
    for curve in chosen:
        label = f"{curve.stage}: {curve.metric.replace('_', ' ')}"
        plot = Plot((0, max(curve.steps)), span(curve.values), label, "updates", "", height=200)
        plot.line(curve.steps, curve.values, "c1")
        found.append((label, plot.svg()))
    return found


def agreement_chart(found: Agreement) -> Markup:
    """Each policy in reality (across) and in the world (up), with both intervals; on the diagonal they agree."""
    ends = [v for p in found.points for v in (p.x_low, p.x_high, p.y_low, p.y_high)]
    both = (0.0, 1.0) if found.rate else span(ends)
    plot = Plot(
        both,
        both,
        f"{found.world_name} against {found.real}",
        f"in {found.real}",
        f"in {found.world_name}",
        height=360,
        left=64,
        percent=found.rate,
    )
    plot.segment((both[0], both[0]), (both[1], both[1]), "c6", "grid")
    for point in found.points:
        colour = "c2" if point.apart else "c1"
        plot.segment(
            (max(point.x_low, both[0]), point.y), (min(point.x_high, both[1]), point.y), colour, "whisker thin"
        )
        plot.segment(
            (point.x, max(point.y_low, both[0])), (point.x, min(point.y_high, both[1])), colour, "whisker thin"
        )
        plot.dot(point.x, point.y, colour, f"{point.name}: {number(point.x)} in reality, {number(point.y)} here", 5)
    plot.note("c1", "agrees within the intervals")
    if found.blind:
        plot.note("c2", "disagrees: a blind spot")
    return plot.svg()


def scatter_chart(pair: Paired, a: str, b: str) -> Markup:
    """Each seed's two values; above the diagonal ``a`` is better."""
    both = span([*pair.a_values, *pair.b_values])
    plot = Plot(both, both, f"{pair.metric}: every seed", b[-34:], a[-34:], height=320)
    plot.segment((both[0], both[0]), (both[1], both[1]), "c6", "grid")
    for seed, x, y in zip(pair.seeds, pair.b_values, pair.a_values, strict=True):
        plot.dot(x, y, "c1" if y > x else "c2" if y < x else "c6", f"seed {seed}: {y:.3g} and {x:.3g}", 3.5)
    return plot.svg()


def signal_chart(signal: Signal) -> Markup:
    """The entries of one column over time, with a cursor that follows the film."""
    entries = signal.entries[:_ENTRIES]
    values = [v for _, series in entries for v in series]
    plot = Plot((0, max(signal.times[-1], 1e-9)), span(values), signal.name, "time [s]", signal.unit, height=210)
    for colour, (name, series) in zip(COLOURS, entries, strict=False):
        plot.line(signal.times, series, colour, name if len(entries) > 1 else "")
    plot.cursor("film")
    return plot.svg()
