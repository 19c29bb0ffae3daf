"""Failure modes: planted slices are found and noise is not, clusters are stable where they exist, hidden modes lead."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.core import ArraySpec, ConfigError, DataError, EnvSpec, HostEnv, HostPolicy, Trajectory
from diorama.evaluate.failures import (
    PUSHING,
    SEEDS,
    Mode,
    Records,
    adjusted_rand,
    blind_spots,
    cluster,
    find_slices,
    labelled,
    page,
    pushing_endings,
    pushing_phases,
    replay_failures,
)
from diorama.evaluate.failures.taxonomy import modes_of

REPEATS = 30


def scenarios(seed: int, count: int = 300) -> tuple[np.random.Generator, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    factors = {name: rng.uniform(size=count) for name in ("friction", "mass", "latency", "scale")}
    return rng, factors | {"side": rng.integers(0, 2, count).astype(float), "fixed": np.ones(count)}


def test_noise_slices_are_not_found() -> None:
    """The chance of naming anything at all is at most alpha: counted over searches in pure noise."""
    false = 0
    for seed in range(REPEATS):
        rng, factors = scenarios(seed)
        false += bool(find_slices(rng.uniform(size=300) < 0.3, factors, seed=seed, alpha=0.1))
    # At a rate of 0.1 more than 8 of 30 have a probability below 0.003.
    assert false <= 8


def test_planted_slices_are_found_and_named() -> None:
    found = []
    for seed in range(10):
        rng, factors = scenarios(seed)
        bad = (factors["friction"] > 0.75) & (factors["side"] == 1)
        slices = find_slices(rng.uniform(size=300) < np.where(bad, 0.85, 0.15), factors, seed=seed)
        found.append(bool(slices) and {one.factor for one in slices[0].conditions} == {"friction", "side"})
    assert sum(found) >= 9


def test_a_slice_says_what_it_holds() -> None:
    factors = {"x": np.arange(100.0), "y": np.tile([0.0, 1.0], 50)}
    slices = find_slices((factors["x"] >= 75).astype(float), factors)
    first = slices[0]
    assert str(first) == "x in [75, 99]"
    assert (first.count, first.error, first.rest) == (25, 1.0, 0.0)
    assert first.low < 1.0 == first.high and first.p_value <= 0.01 and first.score > 0
    assert len(slices) == 1, "what refines a slice without a larger error is left out"


def test_scores_between_0_and_1_are_errors_too() -> None:
    rng, factors = scenarios(3)
    error = np.clip(0.3 + 0.5 * (factors["mass"] > 0.75) + 0.05 * rng.normal(size=300), 0, 1)
    assert str(find_slices(error, factors)[0]).startswith("mass in [0.7")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**20), st.integers(1, 3), st.integers(5, 40))
def test_every_slice_has_enough_episodes_and_is_worse_than_the_rest(seed: int, level: int, support: int) -> None:
    rng, factors = scenarios(seed, 120)
    error = (rng.uniform(size=120) < 0.2 + 0.6 * factors["latency"]).astype(float)
    for one in find_slices(error, factors, level=level, support=support, alpha=0.5, seed=seed):
        inside = np.ones(120, bool)
        for part in one.conditions:
            inside &= (factors[part.factor] >= part.low) & (factors[part.factor] <= part.high)
        assert one.count == inside.sum() >= support
        assert one.error == pytest.approx(error[inside].mean()) and one.rest == pytest.approx(error[~inside].mean())
        assert one.error > one.rest and one.low <= one.error <= one.high and 0 < one.p_value <= 0.5


def test_impossible_errors_are_refused() -> None:
    with pytest.raises(ConfigError, match="error"):
        find_slices(np.array([0.0, 2.0]), {})
    with pytest.raises(ConfigError, match="mass"):
        find_slices(np.zeros(3), {"mass": np.zeros(2)})
    assert find_slices(np.zeros(100), {"x": np.arange(100.0)}) == []


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=40), st.randoms())
def test_the_rand_index_knows_no_names_and_no_order(labels: list[int], random) -> None:
    first = np.array(labels)
    names = list(range(5))
    random.shuffle(names)
    assert adjusted_rand(first, np.array(names)[first]) == 1.0
    second = np.array(random.sample(labels, len(labels)))
    assert adjusted_rand(first, second) == pytest.approx(adjusted_rand(second, first))
    assert adjusted_rand(first, second) <= 1.0


def test_the_rand_index_of_unrelated_partitions_is_zero_on_average() -> None:
    rng = np.random.default_rng(0)
    found = [adjusted_rand(rng.integers(0, 3, 40), rng.integers(0, 3, 40)) for _ in range(400)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 20 + 1e-3


def test_clusters_are_found_where_there_are_some_and_not_where_there_are_none() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [8, 0], [0, 8.0]])
    truth = np.repeat([0, 1, 2], [30, 20, 10])
    found = cluster(centres[truth] + rng.normal(size=(60, 2)))
    assert found.count == 3 and adjusted_rand(found.label, truth) > 0.95
    assert np.bincount(found.label).tolist() == [30, 20, 10]
    assert found.low <= found.stability <= found.high
    one = sum(cluster(np.random.default_rng(s).normal(size=(60, 4))).count == 1 for s in range(4))
    assert one >= 3
    assert cluster(np.zeros((2, 3))).count == 1


def ended(agent: tuple, block: tuple, angle: float, steps: int = 20, start: tuple = (100.0, 100.0)) -> np.ndarray:
    """A Push-T episode [T + 1, 5] that goes evenly from a start to an end."""
    share = np.linspace(0, 1, steps + 1)[:, None]
    begun = np.array([60.0, 400.0, *start, np.pi / 4 + 1.5])
    return begun + share * (np.array([*agent, *block, angle]) - begun)


def episodes(rows: list[np.ndarray]) -> Trajectory:
    state = np.stack(rows).astype(np.float32)
    flags = np.zeros((len(rows), state.shape[1] - 1), bool)
    action = np.zeros((*flags.shape, 2), np.float32)
    return Trajectory({"state": state}, action, flags.astype(np.float32), flags, ~flags, {})


def test_the_taxonomy_names_what_pushing_ends_with() -> None:
    goal, turned = (256.0, 256.0), np.pi / 4
    away = ended((60.0, 400.0), (100.0, 100.0), turned + 1.5)
    rotated = ended((256.0, 230.0), goal, turned + 0.6)
    unturned = ended((256.0, 230.0), goal, turned + 1.5)
    beside = ended((340.0, 190.0), (340.0, 200.0), turned)
    walls = ended((480.0, 300.0), (470.0, 300.0), turned)
    short = ended((256.0, 250.0), (250.0, 256.0), turned)
    endings = pushing_endings(episodes([away, rotated, unturned, beside, walls, short]))
    assert labelled(endings, PUSHING).tolist() == [
        "never touched the block", "in place, at a wrong angle", "did not turn the block", "beside its place",
        "pushed against the wall", "short of the last millimetres",
    ]  # fmt: skip
    assert pushing_phases(endings).tolist() == [
        "searching", "near the goal", "near the goal", "pushing", "pushing", "placed",
    ]  # fmt: skip
    assert {rule.seed for rule in PUSHING} - {""} == set(SEEDS)


def test_modes_are_called_after_what_most_of_a_cluster_has() -> None:
    label = np.array(["slipped off"] * 4 + ["stalled"] * 3, object)
    modes = modes_of(np.arange(7), label, np.array([0, 0, 0, 1, 1, 1, 1]), PUSHING, 0.9)
    assert [(mode.label, mode.seed, mode.episodes) for mode in modes] == [
        ("stalled", "", (3, 4, 5, 6)), ("slipped off", "slip", (0, 1, 2)),
    ]  # fmt: skip
    assert modes[0].share == 0.75
    alone = modes_of(np.arange(7), label, np.zeros(7, int), PUSHING, 1.0)
    assert [(mode.label, len(mode.episodes)) for mode in alone] == [("slipped off", 4), ("stalled", 3)]


def test_what_all_worlds_hide_is_named_first() -> None:
    modes = [Mode(name, "", episodes, 1.0, 1.0) for name, episodes in (("a", (1, 2, 3)), ("b", (4,)), ("c", (5, 6)))]
    won = {"p": np.array([1, 1, 0, 1, 0, 0], bool), "q": np.array([0, 0, 0, 1, 0, 1], bool)}
    spots = blind_spots(modes, np.arange(1, 7), won)
    assert [spot.mode.label for spot in spots] == ["b", "a", "c"]
    assert [spot.everywhere for spot in spots] == [True, False, False]
    assert (spots[1].hidden_by, spots[1].seen_in) == (("p",), ("q",))
    assert spots[1].hidden["p"].value == pytest.approx(2 / 3)
    records = Records(np.arange(1, 9), np.arange(8) > 5, np.zeros(8), np.full(8, "time"), np.full(8, "pushing"))
    text = page("A policy", records, [], cluster(np.zeros((6, 2))), spots)
    assert text.index("HIDDEN BY ALL WORLDS") < text.index("b: 1 episodes") < text.index("a: 3 episodes")
    assert "6 of 8 episodes failed" in text and len(text.splitlines()) < 40


class Walk(HostEnv):
    """A place that moves by the action times a gain."""

    rewindable = True

    def __init__(self, gain: float) -> None:
        self.gain = gain
        self.spec = EnvSpec("walk", {"x": ArraySpec((1,))}, ArraySpec((1,), "1", -1.0, 1.0), 0.1)

    def reset(self, seeds, scenario):
        return np.asarray(seeds, np.float32)[:, None]

    def step(self, state, action):
        return (state + self.gain * action).astype(np.float32)

    def observe(self, state):
        return {"x": state}

    def reward(self, state, action, next_state):
        return np.zeros(len(state), np.float32)

    def terminal(self, state):
        return np.zeros(len(state), bool)


class Right(HostPolicy):
    """Always to the right."""

    def init(self, spec, seeds):
        return None

    def act(self, memory, observation):
        return np.ones_like(observation["x"]), None


def test_a_replay_repeats_the_first_actions_and_then_asks_the_policy() -> None:
    failed = Trajectory(
        {"x": np.zeros((2, 5, 1), np.float32)}, np.full((2, 4, 1), -0.5, np.float32), np.zeros((2, 4), np.float32),
        np.zeros((2, 4), bool), np.array([[True] * 4, [True] * 2 + [False] * 2]), {},
    )  # fmt: skip
    again = replay_failures(Walk(2.0), Right(), failed, np.array([10, 20]))
    assert again.action[..., 0].tolist() == [[-0.5, -0.5, 1.0, 1.0], [-0.5, 1.0, 1.0, 1.0]]
    assert again.observation["x"][0, :, 0].tolist() == [10.0, 9.0, 8.0, 10.0, 12.0]
    with pytest.raises(ConfigError, match="share"):
        replay_failures(Walk(1.0), Right(), failed, np.array([1, 2]), share=2.0)


def test_records_are_one_row_an_episode() -> None:
    rows = Records(
        np.arange(3), np.array([True, False, False]), np.zeros(3), np.array(["a", "b", "b"]), np.full(3, "p")
    )
    assert rows.counts("cause") == {"b": 2} and rows.failed.sum() == 2
    with pytest.raises(DataError, match="factor mass"):
        Records(np.arange(3), np.zeros(3, bool), np.zeros(3), np.zeros(3), np.zeros(3), {"mass": np.zeros(2)})
