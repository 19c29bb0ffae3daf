"""What the methods of ``diorama.evaluate.statistics`` promise, and what simulation finds.

Run: ``python benchmarks/statistics/run.py [--repeats 1000] [--only betting ...] [--json FILE]``.

Prints a table: method, setting, stated, found, Monte-Carlo error (one standard error of the found share at the stated
level; 0 where the coverage is summed exactly over all outcomes). "coverage" must not lie below what is stated by more
than the error allows, "type I" and "false share" not above. "peeked" means looked at after every episode, and one miss
at any time counts. Worlds here are of known truth: Bernoulli and Beta draws, policies on common starts, an imagined
outcome that repeats the real one but for noise and bias. A last table gives mean widths of the intervals.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats

from diorama.evaluate import statistics
from diorama.evaluate.statistics import Estimate

LEVEL = 0.95


@dataclass(frozen=True)
class Row:
    """One line of the table; ``width`` is the mean width of the intervals, NaN for tests."""

    method: str
    setting: str
    kind: str
    stated: float
    found: float
    error: float
    width: float = float("nan")

    @property
    def holds(self) -> bool:
        """Whether the promise is kept up to three Monte-Carlo errors."""
        slack = 3 * self.error + 1e-9
        return self.found >= self.stated - slack if "coverage" in self.kind else self.found <= self.stated + slack


def exact_rows(repeats: int) -> Iterator[Row]:
    """Coverage of rates, summed over all outcomes: the worst over rates where it is promised, else the mean."""
    rates = np.linspace(0.005, 0.995, 199)
    methods = {
        "Clopper-Pearson": (statistics.clopper_pearson, "least coverage"),
        "Wilson": (statistics.wilson, "mean coverage"),
        "Beta posterior": (statistics.beta_posterior, "mean coverage"),
    }
    for name, (method, kind) in methods.items():
        for count in (10, 50, 200):
            found = [method(successes, count, LEVEL) for successes in range(count + 1)]
            low, high = np.array([e.low for e in found]), np.array([e.high for e in found])
            chance = stats.binom.pmf(np.arange(count + 1), count, rates[:, None])
            held = (((low <= rates[:, None]) & (rates[:, None] <= high)) * chance).sum(-1)
            share = held.min() if kind == "least coverage" else held.mean()
            width = float((chance * (high - low)).sum(-1).mean())
            # The mean over a grid of rates is not the mean over all of them; allow for the grid.
            yield Row(name, f"n={count}", kind, LEVEL, float(share), 0.0 if kind == "least coverage" else 0.002, width)


def covered(
    name: str, setting: str, truth: float, draw: Callable[[np.random.Generator], Estimate], repeats: int
) -> Row:
    """The share of simulated intervals that hold the truth."""
    rng = np.random.default_rng(0)
    found = [draw(rng) for _ in range(repeats)]
    held = np.mean([e.low <= truth <= e.high for e in found])
    width = float(np.mean([e.high - e.low for e in found]))
    kind = "coverage, peeked" if "sequence" in name else "coverage"
    return Row(name, setting, kind, LEVEL, float(held), monte_carlo(LEVEL, repeats), width)


def monte_carlo(level: float, repeats: int) -> float:
    """Standard error of a share of ``repeats`` whose truth is ``level``."""
    return float(np.sqrt(level * (1 - level) / repeats))


def sequence_rows(repeats: int) -> Iterator[Row]:
    """The beta-binomial sequence, looked at after each of 300 episodes."""
    for rate in (0.05, 0.5, 0.9):

        def draw(rng: np.random.Generator, rate: float = rate) -> Estimate:
            low, high = statistics.beta_binomial_path(rng.random(300) < rate, LEVEL)
            return Estimate(rate, float(low[-1]), float(high[-1]), 300, LEVEL, "")

        yield covered("beta-binomial sequence", f"rate {rate}, n to 300", rate, draw, repeats)


SCORES: dict[str, tuple[Callable, float]] = {
    "Bernoulli .05": (lambda rng, n: (rng.random(n) < 0.05).astype(float), 0.05),
    "Bernoulli .5": (lambda rng, n: (rng.random(n) < 0.5).astype(float), 0.5),
    "Beta(.5, 2)": (lambda rng, n: rng.beta(0.5, 2.0, n), 0.2),
    "Beta(60, 40)": (lambda rng, n: rng.beta(60.0, 40.0, n), 0.6),
}


def betting_rows(repeats: int) -> Iterator[Row]:
    """Betting on bounded scores; the sequential interval is the intersection of all before it."""
    for name, (scores, mean) in SCORES.items():
        for count, sequential in ((20, False), (100, False), (100, True)):

            def draw(rng: np.random.Generator, arguments: tuple = (scores, count, sequential)) -> Estimate:
                return statistics.betting_mean(arguments[0](rng, arguments[1]), LEVEL, sequential=arguments[2])

            method = "betting sequence" if sequential else "betting"
            yield covered(method, f"{name}, n={count}", mean, draw, repeats)


def pairs(rng: np.random.Generator, count: int, rate: float, gain: float, shared: float) -> tuple:
    """Outcomes of two policies on common starts; a share of the starts decides for both."""
    common, alone = rng.random(count), rng.random((2, count))
    one = np.where(rng.random(count) < shared, common, alone)
    return one[0] < rate + gain, one[1] < rate


def one_sided(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Paired evidence that ours is better."""
    return statistics.paired_evidence(ours, theirs, "greater")


def comparison_rows(repeats: int) -> Iterator[Row]:
    """False alarms of two equal policies, and the power against a gain of 0.2, within 200 pairs."""
    tests = {"paired e-process": statistics.paired_evidence, "paired e-process, one-sided": one_sided}
    tests["Turner-Grunwald e-process"] = statistics.unpaired_evidence
    for name, evidence in tests.items():
        for rate, shared in ((0.1, 0.0), (0.5, 0.0), (0.5, 0.8)):
            rng = np.random.default_rng(0)
            crossed = [_crossed(evidence(*pairs(rng, 200, rate, 0.0, shared))) for _ in range(repeats)]
            setting, error = f"rate {rate}, shared {shared}", monte_carlo(0.05, repeats)
            yield Row(name, setting, "type I, peeked", 0.05, float(np.mean(crossed)), error)
    for rate, shared in ((0.1, 0.0), (0.5, 0.0), (0.5, 0.8)):
        rng = np.random.default_rng(0)
        refuted = [statistics.mcnemar(*pairs(rng, 200, rate, 0.0, shared)) <= 0.05 for _ in range(repeats)]
        setting, error = f"rate {rate}, shared {shared}", monte_carlo(0.05, repeats)
        yield Row("McNemar", setting, "type I", 0.05, float(np.mean(refuted)), error)
    yield from barnard_rows()


def barnard_rows() -> Iterator[Row]:
    """Barnard's test at 10 and 10 episodes: the largest chance of a false alarm over common rates, summed exactly."""
    counts = np.arange(11)
    refused = np.array([[statistics.barnard(int(a), 10, int(b), 10) <= 0.05 for b in counts] for a in counts])
    chances = [stats.binom.pmf(counts, 10, rate) for rate in np.linspace(0.01, 0.99, 99)]
    yield Row("Barnard", "10 and 10, worst rate", "type I", 0.05, float(max(c @ refused @ c for c in chances)), 0.0)


def _crossed(evidence: np.ndarray) -> bool:
    return statistics.first_crossing(evidence, 0.05) is not None


def world(rng: np.random.Generator, count: int, rate: float = 0.6, noise: float = 0.2, bias: float = 0.15) -> tuple:
    """Real and imagined outcomes of common starts."""
    real = rng.random(count) < rate
    imagined = np.where(rng.random(count) < noise, rng.random(count) < rate + bias, real)
    return real.astype(float), imagined.astype(float)


def powered_rows(repeats: int) -> Iterator[Row]:
    """Prediction-powered means of n real and 10 n imagined episodes, in a good, a fair and a useless world."""
    methods = {
        "Student (no world)": lambda *data: statistics.powered_mean(*data, LEVEL, power=0.0),
        "PPI++": lambda *data: statistics.powered_mean(*data, LEVEL),
        "PPI betting": lambda *data: statistics.bounded_mean(*data, LEVEL, power=0.8),
    }
    for noise in (0.05, 0.4, 1.0):
        for count in (20, 100):
            for name, method in methods.items():

                def draw(rng: np.random.Generator, arguments: tuple = (method, noise, count)) -> Estimate:
                    function, noise, count = arguments
                    return function(*world(rng, count, noise=noise), world(rng, 10 * count, noise=noise)[1])

                yield covered(name, f"noise {noise}, n={count}", 0.6, draw, repeats)


def stratified_rows(repeats: int) -> Iterator[Row]:
    """Three strata with their own rates, and a judge that errs in both directions."""
    strata = ((0.5, 0.9), (0.3, 0.5), (0.2, 0.1))
    for count in (20, 80, 320):

        def draw(rng: np.random.Generator, n: int = count) -> Estimate:
            parts = [(w, *world(rng, n, p, bias=0.05), world(rng, 10 * n, p, bias=0.05)[1]) for w, p in strata]
            return statistics.stratified_mean([statistics.Stratum(*part) for part in parts], LEVEL)

        yield covered("stratified PPI++", f"rates .9 .5 .1, n=3*{count}", sum(w * p for w, p in strata), draw, repeats)

    def judged(rng: np.random.Generator, count: int) -> tuple:
        labels = rng.random(count) < 0.4
        return np.where(labels, rng.random(count) < 0.9, rng.random(count) < 0.25), labels

    for finite in (False, True):

        def corrected(rng: np.random.Generator, finite: bool = finite) -> Estimate:
            return statistics.corrected_rate(judged(rng, 800)[0], *judged(rng, 80), LEVEL, finite=finite)

        name = "judge-corrected, betting" if finite else "judge-corrected"
        yield covered(name, "80 labels, 800 verdicts", 0.4, corrected, repeats)


def weighted_rows(repeats: int) -> Iterator[Row]:
    """Inverse-probability weights of a discovery purse aimed at disagreement, over a list of 450 starts."""
    rng = np.random.default_rng(7)
    real, imagined = world(rng, 450, 0.5)
    doubt = rng.random(450) ** 2 + 2.0 * (real != imagined)
    for blind in (0.1, 0.3):

        def draw(rng: np.random.Generator, blind: float = blind) -> Estimate:
            drawn = statistics.discovery_draws({"doubt": doubt}, {"doubt": 1.0}, 80, rng, blind)
            return statistics.weighted_mean(real[drawn.index], drawn.probability, LEVEL)

        yield covered("inverse probability", f"discovery, blind {blind}, n=80", float(real.mean()), draw, repeats)


def ranking_rows(repeats: int) -> Iterator[Row]:
    """Two-level bootstrap over policies on common starts; truth from the rates of 200 000 policies."""

    def family(rng: np.random.Generator, policies: int, episodes: int) -> tuple:
        quality = rng.normal(0.0, 0.8, policies)
        known = stats.norm.cdf(quality + rng.normal(0.0, 0.3, policies))
        starts = rng.random((2, episodes))
        return (stats.norm.cdf(quality)[:, None] > starts[0]) * 1.0, (known[:, None] - 0.1 > starts[1]) * 1.0

    many = np.random.default_rng(1).normal(0.0, 1.0, (2, 200_000)) * [[0.8], [0.3]]
    rates = stats.norm.cdf(many[0]), np.maximum(stats.norm.cdf(many.sum(0)) - 0.1, 0.0)
    truth = {
        "bias": float(np.mean(rates[1] - rates[0])),
        "pearson": float(statistics.pearson(*rates)),
        "spearman": float(statistics.spearman(*rates)),
    }
    few = max(repeats // 5, 20)
    for policies, episodes in ((6, 30), (20, 100)):
        rng = np.random.default_rng(0)
        studies = [statistics.ranking_study(*family(rng, policies, episodes), resamples=250) for _ in range(few)]
        for name, value in truth.items():
            held = float(np.mean([study[name].low <= value <= study[name].high for study in studies]))
            width = float(np.mean([study[name].high - study[name].low for study in studies]))
            setting = f"{policies} policies, {episodes} episodes"
            yield Row(f"two-level bootstrap: {name}", setting, "coverage", LEVEL, held, monte_carlo(LEVEL, few), width)


def aggregate_rows(repeats: int) -> Iterator[Row]:
    """IQM of three tasks of equal normal scores, whose true IQM is 0."""
    for runs in (5, 20):

        def draw(rng: np.random.Generator, runs: int = runs) -> Estimate:
            return statistics.interquartile_mean_interval([rng.normal(0, 1, runs) for _ in range(3)], LEVEL, 500)

        yield covered("IQM, stratified bootstrap", f"3 tasks, {runs} runs", 0.0, draw, repeats)


def many_rows(repeats: int) -> Iterator[Row]:
    """E-BH on 10 true and 5 false nulls: the mean share of false ones among the refuted."""
    for shared in (False, True):
        rng, shares = np.random.default_rng(0), []
        for _ in range(repeats):
            chances = np.full(10, rng.random()) if shared else rng.random(10)
            null = [statistics.p_to_e(max(float(chance), 1e-12)) for chance in chances]
            refuted = statistics.benjamini_hochberg(np.concatenate([null, np.exp(rng.normal(5.0, 1.0, 5))]), 0.05)
            shares.append(refuted[:10].sum() / max(refuted.sum(), 1))
        setting = "10 of 15 true, " + ("one p-value for all" if shared else "independent")
        yield Row("e-BH", setting, "false share", 0.05, float(np.mean(shares)), monte_carlo(0.05, repeats))


GROUPS: dict[str, Callable[[int], Iterator[Row]]] = {
    "exact": exact_rows,
    "sequence": sequence_rows,
    "betting": betting_rows,
    "comparison": comparison_rows,
    "powered": powered_rows,
    "stratified": stratified_rows,
    "weighted": weighted_rows,
    "ranking": ranking_rows,
    "aggregate": aggregate_rows,
    "many": many_rows,
}


def line(row: Row) -> str:
    """One line of a Markdown table."""
    width = "" if np.isnan(row.width) else f"{row.width:.3f}"
    verdict = "holds" if row.holds else "**does not hold**"
    return (
        f"| {row.method} | {row.setting} | {row.kind} | {row.stated:.2f} | {row.found:.3f} | {row.error:.3f} | {width} "
        f"| {verdict} |\n"
    )


def main() -> None:
    """Print the table; with ``--json`` keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--only", nargs="*", choices=sorted(GROUPS), default=sorted(GROUPS, key=list(GROUPS).index))
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    sys.stdout.write(
        "| method | setting | kind | stated | found | error | mean width | |\n|---|---|---|---|---|---|---|---|\n"
    )
    rows = []
    for group in arguments.only:
        for row in GROUPS[group](arguments.repeats):
            rows.append(row)
            sys.stdout.write(line(row))
            sys.stdout.flush()
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
