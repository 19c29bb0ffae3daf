"""Plans of real trials, blinded sheets, and what trials say."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.core.errors import ConfigError, DataError
from diorama.evaluate.budget import (
    Request,
    answer,
    blind,
    plan_trials,
    read_key,
    read_outcomes,
    sheet_csv,
    sheet_html,
    sheet_markdown,
)
from diorama.evaluate.budget.planning import DISCOVERY, ESTIMATION

SECRET = bytes(range(32))
STARTS = (100, 7, 33, 58)


def request(seed: int = 0, size: int = 120, policies: int = 1) -> Request:
    rng = np.random.default_rng(seed)
    imagined = (rng.random((policies, 3, size)) < 0.6).astype(float)
    return Request(np.arange(5000, 5000 + size), imagined, {"low trust": rng.random(size)})


def filled(sheet, /, **changes: str) -> str:
    """The sheet with every outcome 1; ``changes`` replace fields of the first line."""
    lines = list(csv.DictReader(io.StringIO(sheet_csv(sheet))))
    lines = [line | {"outcome": "1"} for line in lines]
    lines[0] |= changes
    return written(lines)


def written(lines: list[dict]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def test_inclusion_probabilities_are_right_by_simulation() -> None:
    asked, repeats = request(size=80), 200
    drawn = {ESTIMATION: np.zeros(80), DISCOVERY: np.zeros(80)}
    stated, either = np.zeros(80), np.zeros(80)
    for seed in range(repeats):
        plan = plan_trials(asked, 50, 12, rng_seed=seed)
        for trial in plan.trials:
            place = trial.seed - 5000
            drawn[trial.purse][place] += 1
            either[place] = trial.either
            if trial.purse == ESTIMATION:
                stated[place] = trial.probability
    for frequency, chance in ((drawn[ESTIMATION], stated), (sum(drawn.values()), either)):
        error = np.sqrt(chance * (1 - chance) / repeats)
        assert np.all(np.abs(frequency / repeats - chance) <= 4.5 * error + 1e-9)


def test_discovery_goes_where_worlds_disagree() -> None:
    asked = request(size=60)
    split = np.zeros((1, 2, 60))
    split[0, 0, :6] = 1.0
    plan = plan_trials(replace(asked, imagined=split, signals={}), 0, 6)
    found = {trial.seed - 5000 for trial in plan.trials}
    assert len(found & set(range(6))) >= 4
    assert all("disagreement" in t.reasons for t in plan.trials if t.seed - 5000 < 6)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_a_plan_never_draws_more_than_asked_nor_a_start_twice(first: int, second: int, seed: int) -> None:
    if first + second == 0:
        with pytest.raises(ConfigError, match="cannot be drawn"):
            plan_trials(request(), first, second)
        return
    plan = plan_trials(request(), first, second, rng_seed=seed)
    assert plan.count(ESTIMATION) == first
    assert plan.count(DISCOVERY) <= second
    assert len({trial.seed for trial in plan.trials}) == len(plan.trials)
    assert all(0 < trial.probability <= trial.either + 1e-12 <= 1 + 1e-9 for trial in plan.trials)


@pytest.mark.parametrize("count", [20, 60])
def test_the_planned_estimate_covers_the_rate_over_the_list(count: int) -> None:
    rng, held, repeats = np.random.default_rng(1), 0, 60
    for seed in range(repeats):
        truth = rng.random(200) < 0.7
        imagined = np.stack([np.where(rng.random(200) < 0.15, rng.random(200) < 0.9, truth) for _ in range(2)])
        asked = Request(np.arange(200), imagined[None].astype(float), {})
        plan = plan_trials(asked, count, 10, rng_seed=seed, level=0.9)
        found = answer(plan, 0, {t.seed: int(truth[t.seed]) for t in plan.trials})
        held += found.powered.low <= truth.mean() <= found.powered.high
    assert held >= 47  # 54 expected; three Monte-Carlo errors below


@pytest.mark.parametrize("count", [20, 50])
@pytest.mark.parametrize("outcome", [0, 1])
def test_trials_that_all_end_alike_leave_a_width(count: int, outcome: int) -> None:
    plan = plan_trials(request(), count, 10, rng_seed=1)
    found = answer(plan, 0, {trial.seed: outcome for trial in plan.trials})
    for estimate in (found.powered, found.alone, found.weighted):
        assert 0.0 <= estimate.low <= estimate.value <= estimate.high <= 1.0
        assert estimate.high - estimate.low > 0.01


def test_missing_outcomes_are_not_dropped() -> None:
    plan = plan_trials(request(), 10, 0)
    with pytest.raises(ConfigError, match="1 trials of the estimation purse have no outcome"):
        answer(plan, 0, {trial.seed: 1 for trial in plan.trials[1:]})


@given(st.binary(min_size=32, max_size=32), st.permutations(["gripper-new", "gripper-old", "gripper-wild"]))
@settings(max_examples=30, deadline=None)
def test_blinding_never_leaks(secret: bytes, policies: list[str]) -> None:
    sheet, key = blind("plan", STARTS, policies, secret)
    other, _ = blind("plan", STARTS, ["x", "y", "z"], secret)
    assert sheet.rows == other.rows
    for text in (sheet_csv(sheet), sheet_html(sheet, "Trials"), sheet_markdown(sheet, "Trials")):
        assert not any(policy in text for policy in (*policies, "estimation", "discovery", secret.hex()))
    assert sorted(key.letters.values()) == sorted(policies)
    assert sorted((row.start, row.policy) for row in sheet.rows) == sorted((s, p) for s in STARTS for p in "ABC")


def test_letters_say_nothing_about_the_order_in_which_policies_were_named() -> None:
    firsts = [
        blind("plan", STARTS, ["new", "old"], bytes([k, j] * 16))[1].letters["A"] for k in range(20) for j in range(20)
    ]
    assert abs(firsts.count("new") - 200) <= 4 * 10  # four standard errors of 400 coins


def test_a_key_opens_its_own_sheet_only() -> None:
    sheet, key = blind("plan", STARTS, ["new", "old"], SECRET)
    swapped = replace(key, letters={"A": key.letters["B"], "B": key.letters["A"]})
    assert read_key({"plan": key.plan, "secret": key.secret, "letters": dict(key.letters)}, sheet) == key
    with pytest.raises(DataError, match="not the one that was sealed"):
        read_key({"plan": key.plan, "secret": key.secret, "letters": dict(swapped.letters)}, sheet)
    with pytest.raises(DataError, match="no key"):
        read_key({"letters": 3}, sheet)


def test_outcomes_come_back_whole_or_in_part() -> None:
    sheet, _ = blind("plan", STARTS, ["new", "old"], SECRET)
    every = read_outcomes(filled(sheet), sheet)
    assert len(every) == 8
    first = read_outcomes(filled(sheet, outcome=""), sheet)
    assert read_outcomes(filled(sheet, outcome="no"), sheet, first) == {sheet.rows[0].trial: 0}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sheet": "000000000000"}, "belongs to sheet 000000000000"),
        ({"trial": "ZZZZZZ"}, "not on this sheet"),
        ({"policy": "C"}, "handed out with policy"),
        ({"start": "8"}, "handed out with start"),
        ({"order": "99"}, "handed out with order"),
        ({"outcome": "perhaps"}, "write 1 for success"),
    ],
)
def test_what_was_tampered_with_is_refused(changes: dict[str, str], sentence: str) -> None:
    sheet, _ = blind("plan", STARTS, ["new", "old"], SECRET)
    with pytest.raises(DataError, match=sentence):
        read_outcomes(filled(sheet, **changes), sheet)


def test_duplicates_and_changed_minds_are_refused() -> None:
    sheet, _ = blind("plan", STARTS, ["new", "old"], SECRET)
    lines = list(csv.DictReader(io.StringIO(filled(sheet))))
    with pytest.raises(DataError, match="stands twice"):
        read_outcomes(written([*lines, lines[0]]), sheet)
    with pytest.raises(DataError, match="is not changed"):
        read_outcomes(filled(sheet), sheet, {sheet.rows[2].trial: 0})
    with pytest.raises(DataError, match="lacks the columns"):
        read_outcomes("trial,outcome\n", sheet)
