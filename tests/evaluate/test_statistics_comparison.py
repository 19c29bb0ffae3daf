"""Two policies and many claims: type I error under peeking, power, exact tests, merging, the ledger's sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import multinomial

from diorama.core.errors import ConfigError
from diorama.evaluate.statistics import (
    AlphaLedger,
    barnard,
    benjamini_hochberg,
    betting_mean,
    e_to_p,
    first_crossing,
    mcnemar,
    merge_independent,
    merge_mean,
    p_to_e,
    paired_evidence,
    paired_rates,
    series_share,
    simultaneous_half_width,
    unpaired_evidence,
)

ALPHA, REPEATS, PAIRS = 0.1, 250, 120
CEILING = ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / REPEATS)


def pairs(rng: np.random.Generator, rate: float, gain: float, shared: float) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes on common starts: with probability ``shared`` a start decides for both, else each plays alone."""
    common, alone = rng.random(PAIRS), rng.random((2, PAIRS))
    one = np.where(rng.random(PAIRS) < shared, common, alone)
    return one[0] < rate + gain, one[1] < rate


def crossings(evidence, rate: float, gain: float, shared: float) -> float:
    rng = np.random.default_rng(0)
    found = [first_crossing(evidence(*pairs(rng, rate, gain, shared)), ALPHA) for _ in range(REPEATS)]
    return float(np.mean([stop is not None for stop in found]))


def greater(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return paired_evidence(ours, theirs, "greater")


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_type_one_error_holds_under_continuous_peeking(rate: float, shared: float) -> None:
    for evidence in (paired_evidence, greater, unpaired_evidence):
        assert crossings(evidence, rate, 0.0, shared) <= CEILING


def test_one_sided_evidence_does_not_call_the_worse_better() -> None:
    assert crossings(greater, 0.5, -0.1, 0.0) <= CEILING


def test_evidence_finds_a_difference_and_pairing_helps() -> None:
    alone, together = (crossings(paired_evidence, 0.4, 0.2, shared) for shared in (0.0, 0.8))
    assert together > alone > 0.5
    assert crossings(unpaired_evidence, 0.4, 0.2, 0.0) > 0.5


def test_unpaired_evidence_is_wrong_for_negative_dependence() -> None:
    """Why `paired_evidence` is there: outcomes that exclude each other make the other one grow under the null."""
    rng, crossed = np.random.default_rng(1), 0
    for _ in range(100):
        ours = rng.random(2000) < 0.5
        crossed += first_crossing(unpaired_evidence(ours, ~ours), 0.01) is not None
    assert crossed / 100 > 0.02
    ours = rng.random(2000) < 0.5
    assert first_crossing(paired_evidence(ours, ~ours), 0.001) is None


def test_e_values_have_a_mean_of_one_under_the_null() -> None:
    """Exactly, over all outcomes of six pairs that all differ, and of four blocks of equal rates."""
    wins = (np.arange(64)[:, None] >> np.arange(6)) & 1 == 1
    last = [paired_evidence(w, ~w)[-1] for w in wins], [greater(w, ~w)[-1] for w in wins]
    assert np.mean(last[0]) == pytest.approx(1.0)
    assert np.mean(last[1]) <= 1.0 + 1e-12
    blocks = (np.arange(256)[:, None] >> np.arange(8)) & 1 == 1
    chance = np.prod(np.where(blocks, 0.3, 0.7), axis=1)
    assert sum(chance * [unpaired_evidence(b[:4], b[4:])[-1] for b in blocks]) <= 1.0 + 1e-12


def test_evidence_by_hand() -> None:
    """Three wins of three: integral of p^3 over (1/2)^3 = 2; one-sided: 2 * (1 - 1/16) * 2."""
    won, lost = np.ones(3, bool), np.zeros(3, bool)
    assert paired_evidence(won, lost)[-1] == pytest.approx(2.0)
    assert greater(won, lost)[-1] == pytest.approx(3.75)
    assert first_crossing(np.array([1.0, 30.0, 2.0])) == 2


@pytest.mark.parametrize("size", [20, 50])
@pytest.mark.parametrize("chances", [(0.02, 0.01), (0.1, 0.1), (0.3, 0.1), (0.5, 0.02)])
def test_the_interval_of_paired_rates_covers(size, chances) -> None:
    """Exactly: over all numbers of pairs won and lost, weighted by their probability."""
    win, lose = chances
    covered = 0.0
    for wins in range(size + 1):
        for losses in range(size + 1 - wins):
            ours = np.arange(size) < wins
            theirs = (np.arange(size) >= wins) & (np.arange(size) < wins + losses)
            found = paired_rates(ours, theirs)
            weight = multinomial.pmf([wins, losses, size - wins - losses], size, [win, lose, 1 - win - lose])
            covered += weight * (found.low <= win - lose <= found.high)
    assert covered >= 0.935


def test_pairs_that_never_differ_are_no_certain_zero() -> None:
    found = paired_rates(np.zeros(50, bool), np.zeros(50, bool))
    assert found.value == 0.0 and found.low == -found.high and 0.02 < found.high < 0.06
    swapped = paired_rates(np.arange(9) < 2, np.arange(9) < 6)
    mirrored = paired_rates(np.arange(9) < 6, np.arange(9) < 2)
    assert (swapped.low, swapped.high) == pytest.approx((-mirrored.high, -mirrored.low))


def test_paired_difference_with_an_interval_that_may_be_peeked_at() -> None:
    rng, held = np.random.default_rng(2), 0
    for _ in range(120):
        ours, theirs = pairs(rng, 0.4, 0.2, 0.5)
        estimate = betting_mean(ours.astype(float) - theirs, 0.9, low=-1.0)
        held += estimate.low <= 0.2 <= estimate.high
    assert held / 120 >= 0.9 - 3 * np.sqrt(0.09 / 120)


def test_mcnemar_is_the_sign_test_and_symmetric() -> None:
    ours, theirs = (
        np.repeat([True, True, False, False], [5, 9, 2, 4]),
        np.repeat([True, False, True, False], [5, 9, 2, 4]),
    )
    assert mcnemar(ours, theirs) == pytest.approx(2 * stats.binom.cdf(2, 11, 0.5))
    assert mcnemar(theirs, ours) == mcnemar(ours, theirs)
    assert mcnemar(ours, ours) == 1.0


def test_mcnemar_holds_its_level_exactly() -> None:
    for pairs_that_differ in (6, 13, 20):
        wins = np.arange(pairs_that_differ + 1)
        values = np.array([stats.binomtest(int(w), pairs_that_differ).pvalue for w in wins])
        ours = [mcnemar(np.arange(pairs_that_differ) < w, np.arange(pairs_that_differ) >= w) for w in wins]
        np.testing.assert_allclose(ours, values)
        assert stats.binom.pmf(wins, pairs_that_differ, 0.5)[values <= 0.05].sum() <= 0.05


def test_barnard_holds_its_level_for_every_rate() -> None:
    """Exactly: the chance of p <= 0.1 over all tables of 6 and 6 episodes, for a grid of common rates."""
    counts = np.arange(7)
    refused = np.array([[barnard(int(a), 6, int(b), 6) <= 0.1 for b in counts] for a in counts])
    for rate in np.linspace(0.05, 0.95, 19):
        chance = stats.binom.pmf(counts, 6, rate)
        assert chance @ refused @ chance <= 0.1 + 1e-3
    assert (refused == refused.T).all() and barnard(0, 8, 0, 8) == 1.0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=30), st.floats(0.01, 0.5))
def test_refuting_many_is_monotone(values: list, alpha: float) -> None:
    refuted = benjamini_hochberg(values, alpha)
    larger = benjamini_hochberg(np.array(values) * 2, alpha)
    assert (larger >= refuted).all()
    if refuted.any():
        assert min(np.array(values)[refuted]) >= len(values) / (refuted.sum() * alpha) * (1 - 1e-9)
        assert max(np.array(values)[~refuted], default=0.0) <= min(np.array(values)[refuted])


def test_false_discoveries_stay_below_alpha_under_dependence() -> None:
    rng, shares = np.random.default_rng(3), []
    for _ in range(400):
        shared = rng.random()
        null = np.array([p_to_e(max(shared, 1e-12)) for _ in range(10)])
        real = np.exp(rng.normal(6.0, 1.0, 5))
        refuted = benjamini_hochberg(np.concatenate([null, real]), ALPHA)
        shares.append(refuted[:10].sum() / max(refuted.sum(), 1))
    assert np.mean(shares) <= ALPHA
    assert refuted[10:].any()


def test_calibrators_and_merging() -> None:
    grid = (np.arange(1_000_000) + 0.5) / 1_000_000
    assert np.mean(0.5 * grid**-0.5) == pytest.approx(1.0, abs=1e-3) and p_to_e(0.25) == 1.0
    assert merge_mean([0.0, 4.0]) == 2.0 and merge_independent([0.5, 4.0]) == pytest.approx(2.0)
    assert merge_independent([0.0, 1e9]) == 0.0
    assert e_to_p(20.0) == 0.05 and e_to_p(0.3) == 1.0


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 60))
def test_a_series_of_claims_never_overspends(claims: int) -> None:
    ledger = AlphaLedger(0.05)
    for claim in range(claims):
        ledger = ledger.spend_next(f"claim {claim}")
    assert 0.0 < ledger.alpha_left < 0.05
    assert series_share(0.05, 1) == pytest.approx(0.05 * 6 / np.pi**2)


def test_the_ledger_counts_and_refuses() -> None:
    ledger = AlphaLedger(0.05, queries=3).spend("a", 0.03, 2)
    assert ledger.alpha_left == pytest.approx(0.02) and ledger.queries_left == 1
    assert ledger.spend("b", 0.02, 1).alpha_left == pytest.approx(0.0)
    for claim, alpha, queries in (("b", 0.021, 0), ("b", 0.01, 2), ("a", 0.01, 0), ("b", 0.0, 0), ("b", -0.1, 0)):
        with pytest.raises(ConfigError):
            ledger.spend(claim, alpha, queries)
    with pytest.raises(ConfigError):
        AlphaLedger(1.5)


def test_simultaneous_width_grows_with_the_root_of_the_log() -> None:
    assert simultaneous_half_width(200, 1) == pytest.approx(np.sqrt(np.log(40) / 400))
    assert simultaneous_half_width(200, 100) / simultaneous_half_width(200, 1) < 1.6


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: paired_evidence(np.ones(1), np.ones(2)),
        lambda: mcnemar(np.array([0.5]), np.array([1.0])),
        lambda: first_crossing(np.ones(2), 0.0),
        lambda: barnard(3, 2, 0, 1),
        lambda: benjamini_hochberg([-1.0]),
        lambda: p_to_e(0.0),
    ],
)
def test_impossible_input_is_refused(wrong) -> None:
    with pytest.raises(ConfigError):
        wrong()
