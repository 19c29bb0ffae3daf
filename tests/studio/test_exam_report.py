"""What the page says of an exam: verdicts follow the intervals, old exams still make a page."""

import numpy as np
import pytest

from diorama.studio.exam_report import exam_reached, verdict_text
from diorama.studio.loop_report import exam_section
from diorama.studio.page import Page
from diorama.studio.world_report import _lead

STEPS = 20


def curve(start: float, end: float, width: float = 0.01, count: int = STEPS) -> dict:
    mean = np.linspace(start, end, count)
    return {"mean": mean.tolist(), "low": (mean - width).tolist(), "high": (mean + width).tolist()}


def old_exam(paired: dict) -> dict:
    """As runs before this version wrote it."""
    return {
        "horizon": list(range(1, STEPS + 1)),
        "control_period": 0.2,
        "model": curve(0.02, 0.15),
        "copy_last": curve(0.4, 0.9),
        "paired": paired,
        "by_name": {"state": curve(0.02, 0.15)},
        "spread": [0.01] * STEPS,
        "windows": 512,
        "groups": 30,
    }


def calibration(*verdict: str) -> dict:
    return {
        "horizon": [1, 5, 10, 20],
        "draws": 39,
        "windows": 128,
        "coverage": {level: curve(float(level) - 0.1, float(level) - 0.2, count=4) for level in ("0.5", "0.9")},
        "judged": 0.9,
        "verdict": list(verdict),
        "histogram": [[0.1] * 10] * 4,
        "crps": curve(0.01, 0.1, count=4),
        "point_errors": {name: curve(0.02, 0.2, count=4) for name in ("copy_last", "median of the draws")},
        "gain": curve(-0.01, -0.1, 0.001, count=4),
        "skill": curve(0.02, 0.2, count=4),
        "spread_skill": curve(0.8, 0.4, count=4),
    }


def sensitivity(verdict: str) -> dict:
    parts = {"error": curve(0.6, 0.9), "difference": curve(0.5, 0.8), "ratio": curve(30.0, 6.0)}
    return parts | {"overall": curve(0.7, 0.7, count=1), "verdict": verdict}


def exam(verdict: str = "uses its actions") -> dict:
    measured = {"unit": "px", "model": curve(1.0, 12.0), "copy_last": curve(2.0, 45.0)}
    baseline = {"error": curve(0.03, 0.4), "paired": curve(-0.03, 0.3)}
    return old_exam(curve(-0.4, -0.7)) | {
        "context": 0,
        "baselines": {"ridge regression": baseline},
        "entries": {"state.block_x_px": measured},
        "pictures": {"camera": measured | {"unit": "dB"}},
        "actions": {"shuffled": sensitivity(verdict), "mean": sensitivity(verdict)},
        "stochastic": True,
        "calibration": calibration("overconfident", "calibrated", "calibrated", "overconfident"),
    }


def written(found: dict, folder) -> str:
    page = Page("t", "l")
    exam_section(page, found)
    page.write(folder)
    return (folder / "report.md").read_text()


def test_every_part_has_its_section(tmp_path):
    text = written(exam(), tmp_path)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## How well the world predicts (L1, L2)",
        "## The error in physical units",
        "## Does it know how wrong it may be (L3)",
        "## Does it listen to its actions (L4, in part)",
    ]
    assert "| error [%] | 1 step (0.2 s) | 5 steps (1 s) | 10 steps (2 s) | 20 steps (4 s) |" in text
    assert "| learned world | 2.00 [1.0, 3.0] |" in text and "15.0 [14, 16] |" in text
    assert "At the longest horizon it is better than copying, worse than ridge regression." in text
    assert "| state.block_x_px [px] | 1.00 [0.99, 1.0] |" in text and "| 45.0 |" in text
    assert "| inside the 90 % interval [%] | 80.0 [79, 81] |" in text
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["calibration.png", "open_loop.png"]


def test_an_exam_of_an_older_run_still_makes_a_page(tmp_path):
    text = written(old_exam(curve(-0.1, 0.0, 0.05)), tmp_path)
    assert text.count("## ") == 1 and "not shown to be better than copying" in text
    assert exam_reached(old_exam(curve(-0.1, 0.0))).keys() == {"L1", "L2"}


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("uses its actions", "the world uses its actions"),
        ("ignores its actions", "the world ignores its actions, as far as this exam can tell"),
        ("prefers other actions", "other actions fit better than those that were done"),
    ],
)
def test_the_verdict_on_actions_is_said(tmp_path, verdict, said):
    assert said in written(exam(verdict), tmp_path)
    assert exam_reached(exam(verdict))["L4"] == f"in part: it {verdict}; other actions were not tried in reality"


def test_a_point_forecast_says_so(tmp_path):
    found = exam() | {"stochastic": False, "calibration": None}
    assert "says nothing about how wrong they may be" in written(found, tmp_path)
    assert exam_reached(found)["L3"] == "examined: it states no uncertainty"
    assert "L3" not in exam_reached(exam() | {"stochastic": None, "calibration": None})


def test_verdicts_on_calibration_are_gathered():
    assert verdict_text(calibration(*["overconfident"] * 4)) == "overconfident at every horizon"
    mixed = calibration("overconfident", "calibrated", "calibrated", "overconfident")
    assert verdict_text(mixed) == "overconfident at 1 and 20 steps; not shown to be miscalibrated at 5 and 10 steps"


@pytest.mark.parametrize(("end", "verdict"), [(-0.5, ": better than"), (0.0, ": not shown to be better than")])
def test_the_lead_follows_the_interval(end, verdict):
    lead = _lead(old_exam(curve(-0.5, end, 0.1)))
    assert verdict in lead and "wrong by 15.0 % of the standard deviation" in lead and "(90.0 %)" in lead


def test_with_context_it_says_what_was_seen(tmp_path):
    assert "From its first 4 observations and" in written(exam() | {"context": 3}, tmp_path)
