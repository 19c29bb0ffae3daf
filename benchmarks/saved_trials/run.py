"""How many real trials prediction-powered estimation saves: at equal width of the interval, for each world.

Run: ``python benchmarks/saved_trials/run.py --ranking ranking --out saved.json``, on the episodes of the ranking study
(``benchmarks/ranking/run.py``). For each policy and world: the per-episode correlation of the imagined score with the
real one, and the share of real trials that it saves by PPI++ (1 minus the ratio of the variances of the mean, with ten
imagined episodes for each real one). Coverage is checked by resampling: many times ``real`` of the starts are drawn as
real trials, all 100 serve as imagined ones, and the interval at 90 % either holds the mean over all starts or does not;
beside it the plain interval of the same trials. ``stratified``: the same within halves of the imagined score.
"""

import argparse
import pathlib
import sys
from dataclasses import asdict

import numpy as np

from diorama.core.canonical import canonical
from diorama.core.files import write_atomically
from diorama.evaluate import intervals
from diorama.evaluate.records import Episodes, read_episodes
from diorama.evaluate.statistics import Stratum, powered_mean, saved_share, stratified_mean

REALITY, METRIC, LEVEL = "push-t", "best clipped coverage", 0.9
RATIO = 10


def paired(episodes: Episodes, policy: str, world: str) -> tuple[np.ndarray, np.ndarray]:
    """Real and imagined scores [E] of the same starts."""
    sides = []
    for place in (REALITY, world):
        part = episodes.of(policy, place)
        sides.append(part.metrics[METRIC][np.argsort(part.seed)])
    return sides[0], sides[1]


def correlation(real: np.ndarray, imagined: np.ndarray) -> float | None:
    """Pearson's, None where one side is constant."""
    if real.std() < 1e-9 or imagined.std() < 1e-9:
        return None
    return float(np.corrcoef(real, imagined)[0, 1])


def resampled(real: np.ndarray, imagined: np.ndarray, count: int, times: int, seed: int) -> dict[str, float]:
    """Coverage and mean width of the plain, the powered and the stratified interval over draws of ``count`` starts."""
    rng, truth, kinds = np.random.default_rng(seed), float(real.mean()), ("plain", "powered", "stratified")
    held, width = {kind: [] for kind in kinds}, {kind: [] for kind in kinds}
    high = imagined > np.median(imagined)
    for _ in range(times):
        # With replacement from the starts, which stand for the population: no correction for a finite one is due.
        rows = rng.integers(0, len(real), count)
        given = {"plain": powered_mean(real[rows], imagined[rows], imagined, LEVEL, power=0.0)}
        given["powered"] = powered_mean(real[rows], imagined[rows], imagined, LEVEL)
        parts = [
            Stratum(float(part.mean()), real[rows][part[rows]], imagined[rows][part[rows]], imagined[part])
            for part in (high, ~high)
        ]
        if all(len(part.gold) > 1 and len(part.predictions) for part in parts):
            given["stratified"] = stratified_mean(parts, LEVEL)
        for kind, found in given.items():
            held[kind].append(found.low <= truth <= found.high)
            width[kind].append(found.high - found.low)
    figures = {f"coverage, {kind}": float(np.mean(held[kind])) for kind in kinds if held[kind]}
    return figures | {f"width, {kind}": float(np.mean(width[kind])) for kind in kinds if width[kind]}


def row(episodes: Episodes, policies: list[str], world: str, arguments: argparse.Namespace) -> dict:
    """One world over all policies: correlation, saving, and what resampling says."""
    found = []
    for number, policy in enumerate(policies):
        real, imagined = paired(episodes, policy, world)
        rho = correlation(real, imagined)
        if rho is None:
            continue
        figures = resampled(real, imagined, arguments.real, arguments.times, number)
        for kind in ("powered", "stratified"):
            if f"width, {kind}" in figures:
                figures[f"saved, {kind}"] = 1.0 - (figures[f"width, {kind}"] / figures["width, plain"]) ** 2
        expected = saved_share(rho, arguments.real, RATIO * arguments.real)
        found.append({"policy": policy, "correlation": rho, f"saved at N = {RATIO} n": expected, **figures})
    names = [name for name in found[0] if name != "policy"] if found else []
    means = {
        name: asdict(intervals.mean(np.array([one[name] for one in found if name in one]), 0.95)) for name in names
    }
    return {
        "world": world,
        "policies": len(found),
        "constant": len(policies) - len(found),
        "mean": means,
        "each": found,
    }


def table(rows: list[dict]) -> str:
    """The rows as Markdown."""
    names = list(rows[0]["mean"])
    lines = ["| world | policies | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    for one in rows:
        cells = [f"{e['value']:.3f} [{e['low']:.3f}, {e['high']:.3f}]" for e in one["mean"].values()]
        lines.append(f"| {one['world']} | {one['policies']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read, correlate, resample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranking", type=pathlib.Path, required=True, help="folder of the ranking study")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--real", type=int, default=50, help="real trials of a draw")
    parser.add_argument("--times", type=int, default=400, help="draws")
    arguments = parser.parse_args()
    episodes = read_episodes(arguments.ranking / "episodes.parquet")
    policies = list(dict.fromkeys(episodes.policy))
    worlds = [world for world in dict.fromkeys(episodes.world) if world != REALITY]
    rows = [row(episodes, policies, world, arguments) for world in worlds]
    write_atomically(arguments.out, canonical({"level": LEVEL, "real": arguments.real, "rows": rows}) + "\n")
    sys.stdout.write(table([one for one in rows if one["mean"]]))


if __name__ == "__main__":
    main()
