"""The checks of the audit as pure functions: the verdict, matching, the effective size of an ensemble."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.evaluate.audit import (
    CHECKS,
    Corpus,
    Facts,
    Finding,
    Item,
    Link,
    Looks,
    Node,
    Party,
    Severity,
    State,
    Thresholds,
    TrustedEpisodes,
    Verdict,
    audit,
    effective_size,
    match_items,
    overlaps,
    verdict_of,
)

severities = st.lists(st.sampled_from(Severity), max_size=6)


def starts(seed: int, count: int, name: str) -> list[Item]:
    drawn = np.random.default_rng(seed).uniform(0, 100, (count, 4))
    return [Item(f"{name} {k}", start=tuple(one), space="state") for k, one in enumerate(drawn)]


def plain(**changes) -> Facts:
    corpus = Corpus("d", "data", tuple(starts(0, 50, "episode")), 10.0)
    policy = Party("p", "policy", ("d",))
    facts = Facts(
        "e", tuple(starts(1, 20, "start")), policy, Party("w", "world", origin="physics"), corpora={"d": corpus}
    )
    return replace(facts, **changes)


@given(severities, severities)
def test_the_verdict_is_monotone_in_findings(some, more) -> None:
    some, more = ([Finding("C1", severity, "found") for severity in part] for part in (some, more))
    assert verdict_of([*some, *more]).rank == max(verdict_of(some).rank, verdict_of(more).rank)
    assert verdict_of(reversed(some)) is verdict_of(some)


def test_every_check_answers_on_the_least_facts() -> None:
    result = audit(Facts("e", (), Party("p", "policy"), Party("w", "world")))
    assert [outcome.check for outcome in result.outcomes] == list(CHECKS) == [f"C{k}" for k in range(1, 17)]
    assert result.verdict is Verdict.CLEAN
    assert set(result.not_run) == {"C8", "C11", "C12", "C13", "C14"}


def test_an_honest_evaluation_is_clean() -> None:
    assert audit(plain(evaluated_at=20.0)).verdict is Verdict.CLEAN


@given(st.integers(0, 19), st.integers(0, 49), st.integers(2, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_copied_start_is_found_with_its_pair(here: int, there: int, seed: int) -> None:
    items, training = starts(seed, 20, "start"), starts(seed + 20_000, 50, "episode")
    training[there] = replace(training[there], start=items[here].start)
    found = [(match.left, match.right, match.how) for match in match_items(items, training)]
    assert (items[here], training[there], "same start") in found


def test_chance_pairs_are_as_rare_as_stated() -> None:
    found = sum(len(match_items(starts(2 * k, 40, "a"), starts(2 * k + 1, 60, "b"))) for k in range(100))
    assert found <= 1  # 0.01 to 0.03 expected; two or more have probability below 5e-4


def test_nearness_counts_in_ranges_of_the_training_starts() -> None:
    items, training = starts(0, 20, "start"), starts(1, 50, "episode")
    moved = replace(items[3], start=tuple(np.add(items[3].start, 0.3)))
    assert [m.left for m in match_items([moved], [*training, items[3]])] == [moved]
    far = replace(items[3], start=tuple(np.add(items[3].start, 20.0)))
    assert not match_items([far], [*training, items[3]])
    assert match_items([far], [*training, items[3]], Thresholds(radius=0.25))


def test_starts_of_other_spaces_are_not_compared_and_said_so() -> None:
    other = tuple(replace(item, space="features") for item in starts(0, 20, "start"))
    result = audit(plain(items=other))
    assert result.outcome("C1").state is State.UNKNOWN
    assert result.verdict is Verdict.UNVERIFIABLE


def test_pictures_that_chance_makes_equal_tell_nothing() -> None:
    white = [Item(f"episode {k}", percept={"top": "00000000000000ff"}) for k in range(30)]
    assert not match_items([replace(white[0], name="start")], white)


def test_training_sets_that_are_not_on_record_are_not_passed() -> None:
    result = audit(plain(policy=Party("p", "policy", ("d", "lost"))))
    assert result.outcome("C1").findings[0].witnesses[0].left == "lost"
    assert result.verdict is Verdict.UNVERIFIABLE


def test_an_open_set_only_labels_what_the_world_has_seen() -> None:
    corpus = Corpus("d", "data", tuple(starts(1, 20, "start")))
    facts = plain(policy=Party("p", "policy"), world=Party("w", "world", ("d",), "learned"), corpora={"d": corpus})
    assert audit(facts).verdict is Verdict.CONTAMINATED
    assert audit(replace(facts, held_out=False)).verdict is Verdict.LABELLED


def test_reality_may_have_trained_the_policy() -> None:
    links = (Link("p", "trained_in", "w"),)
    nodes = {name: Node(name, kind, name) for name, kind in (("p", "policy"), ("w", "simulator"))}
    there = plain(links=links, nodes=nodes)
    assert audit(there).outcome("C5").state is State.FOUND
    assert audit(replace(there, world=Party("w", "world", origin="real"))).outcome("C5").state is State.NEEDLESS


def test_looks_are_blocked_beyond_the_grant_only() -> None:
    sealed = plain(visibility="sealed")
    states = [audit(replace(sealed, looks=Looks(2, k))).outcome("C9").state for k in (1, 2, 3)]
    assert states == [State.PASSED, State.PASSED, State.FOUND]


def test_success_in_low_trust_alone_is_no_evidence() -> None:
    trust = np.repeat([0.1, 0.9], 20)
    honest = TrustedEpisodes(np.tile([True, True, False], 40)[:40], trust)
    exploited = TrustedEpisodes(trust < 0.5, trust)
    assert audit(plain(episodes=honest)).outcome("C14").state is State.PASSED
    assert audit(plain(episodes=exploited)).verdict is Verdict.CONTAMINATED


@given(st.lists(st.frozensets(st.sampled_from("abcdef"), min_size=1, max_size=4), min_size=1, max_size=5))
def test_the_effective_size_lies_between_one_and_the_nominal(data) -> None:
    corpora = {str(k): Corpus(str(k), "d", tuple(Item(x, exact=x) for x in sorted(d))) for k, d in enumerate(data)}
    worlds = [Party(f"w{k}", "w", (str(k),)) for k in range(len(data))]
    size = effective_size(overlaps(worlds, corpora))
    assert 1.0 - 1e-9 <= size <= len(data) + 1e-9
    if len(set(data)) == 1:
        assert size == pytest.approx(1.0)


def test_shared_weights_make_two_worlds_one() -> None:
    worlds = [Party("a", "a", bases=("root",)), Party("b", "b", bases=("root",)), Party("c", "c")]
    assert effective_size(overlaps(worlds, {})) == pytest.approx(9 / 5)
