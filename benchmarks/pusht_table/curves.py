"""Success in reality against imagined steps: rounds of a coupled run, PPO on its way, and where other rows ended.

Run: ``python benchmarks/pusht_table/curves.py RUN --table table.json --out curves.png``, after `run.py` has made the
rows of that run. The rounds are tested on the fresh seeds of the run, the rows on all seeds of `run.py`.
"""

import argparse
import json
import pathlib

import numpy as np

from diorama.evaluate import intervals
from diorama.studio.page import new_figure

SUCCESS = "success (coverage > 95 %)"
MILLION = 1e6
LONG = {"ppo-40m": "s-", "ppo-40m-slow": "P-"}
"""Rows with a curve."""


def bars(axis: object, samples: list[float], found: list[dict], label: str, style: str) -> None:
    """Estimates with their intervals."""
    value, low, high = (np.array([each[name] for each in found]) for name in ("value", "low", "high"))
    error = np.maximum([value - low, high - value], 0.0)
    steps = np.array(samples) / MILLION
    axis.errorbar(steps, value, yerr=error, fmt=style, markersize=4, capsize=3, linewidth=1.4, label=label)


def on_the_way(points: list[dict]) -> list[dict]:
    """The success of each point of a curve."""
    found = [intervals.rate(np.asarray(point["scores"][SUCCESS])) for point in points]
    return [{"value": each.value, "low": each.low, "high": each.high} for each in found]


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--table", type=pathlib.Path, default=pathlib.Path("table.json"))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("curves.png"))
    given = parser.parse_args()
    held = json.loads(given.table.read_text())
    rounds = json.loads((given.run / "evaluation.json").read_text())["rounds"]
    figure, axis = new_figure(7.0, 3.6)
    spent = [each["samples"] for each in rounds]
    bars(axis, spent, [each["estimates"][SUCCESS] for each in rounds], "coupled worlds, round by round", "o-")
    for row, style in LONG.items():
        long = held.get(f"{row} {given.run.name}")
        if long:
            samples = [*(point["samples"] for point in long["curve"]), 40 * MILLION]
            found = [*on_the_way(long["curve"]), long["estimates"][SUCCESS]]
            bars(axis, samples, found, row, style)
    ends = [row for row in ("coupled-last", "imagination", "ppo-8m") if f"{row} {given.run.name}" in held]
    for place, (row, mark) in enumerate(zip(ends, "D^v", strict=False)):
        # Beside each other, so that bars do not hide each other; all had 8 million.
        found = held[f"{row} {given.run.name}"]["estimates"][SUCCESS]
        bars(axis, [(8.2 + 0.2 * place) * MILLION], [found], row, mark)
    axis.set(xlabel="imagined steps [million]", ylabel="success in reality", ylim=(-0.03, 1.03))
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    figure.savefig(given.out, dpi=130)


if __name__ == "__main__":
    main()
