"""Degradation: reality wears, success declines, and a claim made on day 0 expires in time or too late.

Run: ``python benchmarks/degradation/run.py --out degradation.json --figure docs/images/degradation.png``. A scripted
expert, calibrated on day 0, is tested in gym-pusht on days 0, 15, 30 and 45 with drift planted in reality: the friction
of the block grows by 0.01 a day and the latency by 4 ms a day, each alone and both; without drift for a control. The
latency grows by 10 ms a day in one more arm, which was added when 4 ms turned out not to matter to this expert.
Success: the block within 20 px and 20 degrees of its goal, in 100 steps at 5 Hz, one episode for each seed, the same
seeds in every arm. Reported: the slope of the logistic line with its interval, and the date on which the claim "at
least 0.9 of the success of day 0" expires.

``--simulate`` counts, on simulated outcomes with a known decline, how often a claim outlived the truth.
"""

import argparse
import datetime
import math
import pathlib
import sys

import numpy as np

from diorama.core.canonical import canonical
from diorama.core.files import write_atomically
from diorama.envs.pusht import PushT, Relative, block_reached
from diorama.envs.pusht.scripted import ScriptedDemonstrator
from diorama.evaluate import run_episodes
from diorama.evaluate.degradation import decline, expires, floor_of
from diorama.evaluate.statistics import wilson

CALIBRATED = datetime.date(2026, 1, 1)
DAYS = np.arange(0, 60, 15)
SEED = 800_000
ARMS = {
    "no drift": {},
    "friction wears": {"friction": 0.01},
    "latency grows": {"latency": 0.004},
    "both": {"friction": 0.01, "latency": 0.004},
    "latency grows fast": {"latency": 0.01},
}
"""Growth of each factor a day."""
LENGTH = 100


def tested(growth: dict[str, float], each: int) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and days [N] of an arm."""
    days = np.repeat(DAYS, each).astype(np.float64)
    seeds = np.tile(SEED + np.arange(each), len(DAYS))
    scenario = {name: (rate * days).astype(np.float32) for name, rate in growth.items()}
    played = run_episodes(PushT(Relative(), ("state", "features")), ScriptedDemonstrator(), seeds, LENGTH, scenario)
    return block_reached(played), days


def arm(name: str, each: int) -> dict:
    """One arm: counts by day, the line, the date."""
    success, days = tested(ARMS[name], each)
    line = decline(success, days)
    floor = floor_of(line)
    counts = [int(success[days == day].sum()) for day in DAYS]
    return {
        "arm": name,
        "successes": counts,
        "each": each,
        "intercept": line.intercept,
        "slope": [line.slope, *line.slope_interval()],
        "p_value": line.p_value,
        "band": [part.tolist() for part in line.band(DAYS.astype(float))],
        "line": line.success(DAYS.astype(float)).tolist(),
        "floor": floor,
        "expires": expires(line, CALIBRATED, floor).isoformat(),
        "days": (expires(line, CALIBRATED, floor) - CALIBRATED).days,
    }


def simulated(repeats: int, seed: int) -> list[dict]:
    """How often a claim with a fixed floor outlives a known decline, and how long it holds."""
    rng, rows = np.random.default_rng(seed), []
    for slope in (-0.03, -0.06, -0.12):
        truth = (math.log(0.95 / 0.05) - math.log(0.8 / 0.2)) / -slope
        for each in (10, 20, 60):
            days = np.repeat(DAYS, each).astype(np.float64)
            chance = 1 / (1 + np.exp(-(math.log(0.95 / 0.05) + slope * days)))
            held = [decline(rng.uniform(size=len(days)) < chance, days).holds_until(0.8) for _ in range(repeats)]
            late = wilson(int(np.sum(np.array(held) > truth)), repeats)
            rows.append({"slope": slope, "each": each, "truth": truth, "median": float(np.median(held))})
            rows[-1] |= {"late": late.value, "low": late.low, "high": late.high, "n": repeats}
    return rows


def draw(rows: list[dict], path: pathlib.Path) -> None:
    """Success by day, line, band, floor and date of each arm."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(rows), figsize=(3.1 * len(rows), 3.0), sharey=True, layout="constrained")
    for axis, row in zip(axes, rows, strict=True):
        shares = [wilson(count, row["each"]) for count in row["successes"]]
        error = np.abs([[s.value - s.low for s in shares], [s.high - s.value for s in shares]])
        axis.fill_between(DAYS, *row["band"], color="#0f766e", alpha=0.2, lw=0)
        axis.plot(DAYS, row["line"], color="#0f766e")
        axis.errorbar(DAYS, [s.value for s in shares], error, fmt="o", color="#444", ms=4, lw=1)
        axis.axhline(row["floor"], color="#b45309", lw=1, ls=":")
        axis.axvline(row["days"], color="#b45309", lw=1)
        axis.annotate(
            f"expires {row['expires']}", (row["days"], 0.03), rotation=90, ha="right", va="bottom", fontsize=8
        )
        axis.set(title=row["arm"], xlabel="days since calibration", ylim=(0, 1.02), xlim=(-2, 95))
    axes[0].set_ylabel("success")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Test, fit, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--figure", type=pathlib.Path)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="default: all")
    parser.add_argument("--each", type=int, default=12, help="episodes a day")
    parser.add_argument("--simulate", type=int, default=0, metavar="N", help="N simulated tests of the dates instead")
    arguments = parser.parse_args()
    if arguments.simulate:
        rows = simulated(arguments.simulate, 0)
    else:
        rows = []
        for name in arguments.arms:
            rows.append(arm(name, arguments.each))
            sys.stderr.write(f"{name}: {rows[-1]['successes']} of {arguments.each} a day\n")
    write_atomically(arguments.out, canonical({"rows": rows}) + "\n")
    if arguments.figure:
        draw(rows, arguments.figure)
    for row in rows:
        sys.stdout.write(canonical({k: v for k, v in row.items() if k not in ("band", "line")}) + "\n")


if __name__ == "__main__":
    main()
