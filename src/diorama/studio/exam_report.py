"""The exam of a world as sections of a page: prediction, physical units, calibration, use of the actions.

Exams of runs that were made before a part existed lack it, and so does the page.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from diorama.studio.page import Page, new_figure

Exam = Mapping[str, Any]
_SHOWN = (1, 5, 10, 20)
_NOT_BETTER = "not shown to be better"
_VERDICTS = {
    "calibrated": "not shown to be miscalibrated",
    "mixed": "miscalibrated (its spread is too large in one measure and too small in the other)",
}
_HEARD = {
    "uses its actions": "the world uses its actions",
    "ignores its actions": "the world ignores its actions, as far as this exam can tell (the interval holds 0)",
    "prefers other actions": "other actions fit better than those that were done; look for actions that are shifted in "
    "time or turned in sign",
}


def prediction_section(page: Page, exam: Exam) -> None:
    """Error against horizon, beside everything that the world has to beat."""
    page.heading("How well the world predicts (L1, L2)")
    period, horizon = exam["control_period"], exam["horizon"]
    first, last, copied = (_percent(exam["model"], 0), _percent(exam["model"], -1), _percent(exam["copy_last"], -1))
    seen = f"its first {exam['context'] + 1} observations" if exam.get("context") else "its first observation"
    page.text(
        f"From {seen} and the recorded actions alone (open loop), the world imagined {exam['windows']} "
        f"stretches of {exam['groups']} episodes that it was not trained on. Errors are in percent of the standard "
        f"deviation of the data: 0 is perfect, 100 is as bad as always guessing the mean. The world's is {first} after "
        f"one step of {period:g} s and {last} after {horizon[-1]} steps; not predicting at all, only repeating the "
        f"last observation seen (copying), gives {copied}."
    )
    page.figure(
        "open_loop",
        _error_figure(exam),
        "Error against how far ahead is imagined (lower is better), with 95 % bootstrap intervals over episodes.",
    )
    places = _places(horizon)
    header = ["error [%]", *(_ahead(horizon[p], period) for p in places)]
    rows = [["learned world", *(_percent(exam["model"], p) for p in places)]]
    beside = {"copy_last": {"error": exam["copy_last"], "paired": exam["paired"]}} | dict(exam.get("baselines", {}))
    for name, baseline in beside.items():
        rows.append([_called(name), *(_percent(baseline["error"], p) for p in places)])
        rows.append([f"world minus {_called(name)}", *(_percent(baseline["paired"], p) for p in places)])
    page.table(header, rows)
    page.text(f"Differences are taken window by window; below 0 the world is better. {_beaten(beside)}")
    if exam.get("stochastic"):
        page.text(
            "Where a world draws its future by chance, this is the error of one draw, which holds that draw's noise: "
            "a regression to the mean can look better. CRPS, below, is fair to both."
        )


def units_section(page: Page, exam: Exam) -> None:
    """The error of each entry in its unit, and of pictures in decibels."""
    entries, pictures = exam.get("entries", {}), exam.get("pictures", {})
    if not entries and not pictures:
        return
    page.heading("The error in physical units")
    horizon, period = exam["horizon"], exam["control_period"]
    places = _places(horizon)
    ahead = [_ahead(horizon[p], period) for p in places]
    header = [*ahead, "copying"]
    copying = "Copying is that at the longest horizon."
    if entries:
        page.text(f"The mean absolute error of each entry of the observation, in its own unit. {copying}")
        units = {label: "" if entry["unit"] == "1" else f" [{entry['unit']}]" for label, entry in entries.items()}
        rows = [[label + units[label], *_measured_cells(entries[label], places)] for label in sorted(entries)]
        page.table(["entry", *header], rows)
    if pictures:
        page.text(f"The peak signal-to-noise ratio of each picture [dB]: higher is better, 100 is the most. {copying}")
        page.table(
            ["picture", *header], [[name, *_measured_cells(pictures[name], places)] for name in sorted(pictures)]
        )


def calibration_section(page: Page, exam: Exam) -> None:
    """Whether the world knows how wrong it may be."""
    if exam.get("stochastic") is None:
        return
    page.heading("Does it know how wrong it may be (L3)")
    found = exam["calibration"]
    if found is None:
        page.text(
            "Asked again, the world imagines the same future: it makes point forecasts and says nothing about how "
            "wrong they may be. There is no calibration to examine."
        )
        return
    page.text(
        f"Of {found['windows']} stretches {found['draws']} futures each were imagined. In a calibrated world the truth "
        "lies among them like one more of them: an interval that should hold it 9 times of 10 does, and each tenth of "
        "the predictive distribution holds a tenth of the truths. Judged by the "
        f"{100 * found['judged']:.3g} % interval and by spread over skill, it is {verdict_text(found)}."
    )
    caption = (
        "Left: how often the central interval holds the truth, against how often it should (the diagonal); below it is "
        "overconfidence. Right: where the truth lies in the predictive distribution; calibrated is flat, a U is "
        "overconfidence, a hill the opposite, a slope a bias."
    )
    page.figure("calibration", _calibration_figure(found, exam["control_period"]), caption)
    page.table(*_calibration_table(found, exam["control_period"]))
    page.text(
        "CRPS is the error of a whole predictive distribution; that of a point forecast is its mean absolute error, so "
        "these rows compare. Where CRPS minus the median's (of the imagined futures) is below 0, the spread is worth "
        "having. Skill is the root mean square error of the mean of the futures; spread over skill is 1 in a "
        "calibrated world and less in an overconfident one."
    )


def action_section(page: Page, exam: Exam) -> None:
    """Whether the world listens to its actions."""
    if not (actions := exam.get("actions")):
        return
    page.heading("Does it listen to its actions (L4, in part)")
    shuffled, mean = actions["shuffled"], actions["mean"]
    page.text(
        "The same stretches were imagined under the actions of another episode, and under the mean action throughout. "
        "A world that uses its actions must be worse then. With shuffled actions the error grows by "
        f"{_percent(shuffled['overall'], 0)} on average over all steps: {_HEARD[shuffled['verdict']]}. With the mean "
        f"action it grows by {_percent(mean['overall'], 0)}: {_HEARD[mean['verdict']]}. That wrong actions hurt does "
        "not show that the world is right about actions that nobody did."
    )
    horizon, places = exam["horizon"], _places(exam["horizon"])
    rows = []
    for name, label in (("shuffled", "shuffled actions"), ("mean", "mean action")):
        rows.append([f"{label} [%]", *(_percent(actions[name]["error"], p) for p in places)])
        rows.append([f"{label}, minus recorded [%]", *(_percent(actions[name]["difference"], p) for p in places)])
        rows.append([f"{label}, over recorded", *(_at(actions[name]["ratio"], p) for p in places)])
    page.table(["", *(_ahead(horizon[p], exam["control_period"]) for p in places)], rows)


def exam_reached(exam: Exam) -> dict[str, str]:
    """What the exam holds for the levels L1 to L4 of the ladder."""
    reached = {"L1": "the error after one step", "L2": "the error against how far ahead"}
    if exam.get("stochastic") is not None:
        found = exam["calibration"]
        reached["L3"] = "examined: " + (verdict_text(found) if found else "it states no uncertainty")
    if actions := exam.get("actions"):
        verdict = actions["shuffled"]["verdict"]
        reached["L4"] = f"in part: it {verdict}; other actions were not tried in reality"
    return reached


def verdict_text(calibration: Mapping[str, Any]) -> str:
    """The verdicts in words: "overconfident at 1 and 5 steps; not shown to be miscalibrated at 10 steps"."""
    at: dict[str, list[str]] = {}
    for word, horizon in zip(calibration["verdict"], calibration["horizon"], strict=True):
        at.setdefault(_VERDICTS.get(word, word), []).append(str(horizon))
    if len(at) == 1:
        return f"{next(iter(at))} at every horizon"
    return "; ".join(f"{word} at {' and '.join(steps)} steps" for word, steps in at.items())


def _beaten(beside: Mapping[str, Any]) -> str:
    """The verdict against each baseline at the longest horizon."""
    said = []
    for name, baseline in beside.items():
        low, high = baseline["paired"]["low"][-1], baseline["paired"]["high"][-1]
        said.append(f"{'better' if high < 0 else 'worse' if low > 0 else _NOT_BETTER} than {_called(name)}")
    return f"At the longest horizon it is {', '.join(said)}."


def _calibration_table(found: Mapping[str, Any], period: float) -> tuple[list[str], list[list[str]]]:
    horizon = found["horizon"]
    places = range(len(horizon))
    curves = {f"inside the {100 * float(level):.3g} % interval [%]": c for level, c in found["coverage"].items()}
    curves |= {"CRPS [%]": found["crps"], "CRPS minus the median's [%]": found["gain"]}
    curves |= {f"error of {_called(name)} [%]": c for name, c in sorted(found["point_errors"].items())}
    curves["skill [%]"] = found["skill"]
    rows = [[label, *(_percent(curve, p) for p in places)] for label, curve in curves.items()]
    rows.append(["spread over skill", *(_at(found["spread_skill"], p) for p in places)])
    return ["", *(_ahead(horizon[p], period) for p in places)], rows


def _error_figure(exam: Exam) -> Figure:
    figure, axis = new_figure()
    seconds = np.asarray(exam["horizon"]) * exam["control_period"]
    curves = {"learned world": exam["model"], "copying": exam["copy_last"]}
    curves |= {_called(name): baseline["error"] for name, baseline in exam.get("baselines", {}).items()}
    if actions := exam.get("actions"):
        curves["learned world, shuffled actions"] = actions["shuffled"]["error"]
    for label, curve in curves.items():
        mean, low, high = (100 * np.asarray(curve[key]) for key in ("mean", "low", "high"))
        (line,) = axis.plot(seconds, mean, label=label)
        axis.fill_between(seconds, low, high, alpha=0.2, color=line.get_color(), linewidth=0)
    axis.set(xlabel="how far ahead [s]", ylabel="error [% of the std of the data]", xlim=(0, None), ylim=(0, None))
    axis.legend(frameon=False, fontsize=8)
    return figure


def _calibration_figure(found: Mapping[str, Any], period: float) -> Figure:
    figure, (left, right) = new_figure(7.0, 3.0, ncols=2)
    nominal = sorted(found["coverage"], key=float)
    values = [float(level) for level in nominal]
    left.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    tenths = np.asarray(found["histogram"])
    edges = np.linspace(0, 1, tenths.shape[1] + 1)
    for place, horizon in enumerate(found["horizon"]):
        label = _ahead(horizon, period)
        curves = [found["coverage"][level] for level in nominal]
        mean = np.array([curve["mean"][place] for curve in curves])
        ends = np.array([[curve["low"][place], curve["high"][place]] for curve in curves]).T
        error = np.maximum(np.abs(ends - mean), 0.0)
        # Side by side, so that bars do not hide each other.
        apart = np.asarray(values) + 0.012 * (place - (len(found["horizon"]) - 1) / 2)
        left.errorbar(apart, mean, yerr=error, marker="o", markersize=3, capsize=2, linewidth=1.2, label=label)
        right.stairs(tenths[place], edges, linewidth=1.4, baseline=None)
    right.axhline(1 / tenths.shape[1], color="#999999", linewidth=1, linestyle="--")
    left.set(xlabel="nominal level", ylabel="holds the truth", xlim=(0, 1), ylim=(0, 1))
    right.set(xlabel="place in the predictive distribution", ylabel="share of truths", xlim=(0, 1), ylim=(0, None))
    left.legend(frameon=False, fontsize=8)
    return figure


def _places(horizon: Sequence[int]) -> list[int]:
    """Where the horizons that tables show are, and the last."""
    return sorted({place for place, h in enumerate(horizon) if h in _SHOWN} | {len(horizon) - 1})


def _ahead(steps: int, period: float) -> str:
    return f"{steps} {'step' if steps == 1 else 'steps'} ({steps * period:g} s)"


def _called(name: str) -> str:
    return {"copy_last": "copying", "median of the draws": "the median"}.get(name, name)


def _at(curve: Mapping[str, Any], place: int) -> str:
    """``mean [low, high]`` at one horizon."""
    low, high = (_significant(curve[key][place], 2) for key in ("low", "high"))
    return f"{_significant(curve['mean'][place])} [{low}, {high}]"


def _percent(curve: Mapping[str, Any], place: int) -> str:
    """``mean [low, high]`` at one horizon, times 100."""
    return _at({key: 100 * np.asarray(values) for key, values in curve.items()}, place)


def _measured_cells(measured: Mapping[str, Any], places: Sequence[int]) -> list[str]:
    """The world at each horizon, and copying at the last."""
    return [*(_at(measured["model"], p) for p in places), _significant(measured["copy_last"]["mean"][places[-1]])]


def _significant(value: float, digits: int = 3) -> str:
    """To so many digits that count."""
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:#.{digits}g}".removesuffix(".")
