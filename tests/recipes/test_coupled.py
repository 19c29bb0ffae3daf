"""Coupled worlds: which seeds are played, which episodes stay held out, what a round is. No learning here."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.core.errors import ConfigError
from diorama.data import Dataset, Windows
from diorama.learn import FitConfig
from diorama.models import EnsembleConfig
from diorama.policies import Likeliest, Sampled
from diorama.recipes import coupled
from diorama.recipes.config import PolicyConfig, WorldConfig
from diorama.recipes.coupled_config import CoupledConfig
from diorama.recipes.loop import apart

push_t = pytest.importorskip("diorama.recipes.push_t", exc_type=ImportError)

SIZES = tuple(push_t.PLAY)


def gathered(config: CoupledConfig, number: int) -> list[tuple[str, list[int], object]]:
    """Who acts in reality on which seeds before a round, without acting."""
    asked = []

    def note(task, actor, seeds, out, *, policy=None, images="none", progress=None):
        asked.append((actor, list(seeds), policy))
        return object.__new__(Dataset)

    pair = SimpleNamespace(policy=lambda actor: SimpleNamespace(choosing=lambda choice: choice))
    before = coupled._Reached(None, (), None, None, pair) if number else None
    job = coupled._Job(None, config, SimpleNamespace(path=Path("run")), None, lambda *told: None, lambda report: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coupled, "collect", note)
        job._gather(number, before)
    return asked


@given(seed=st.integers(0, 4000), size=st.sampled_from(SIZES))
@settings(max_examples=60, deadline=None)
def test_seeds_of_play_patches_and_tests_never_meet(seed: int, size: str) -> None:
    config = push_t.push_t_config(size, seed)
    asked = [each for number in range(config.rounds) for each in gathered(config, number)]
    parts = [seeds for _, seeds, _ in asked]
    parts += [[*range(push_t.TEST_SEED, push_t.TEST_SEED + config.episodes)], [*push_t.PUBLISHED]]
    every = [seed for part in parts for seed in part]
    assert len(set(every)) == len(every)
    assert len(asked[0][1]) == config.play[1]
    assert sum(len(seeds) for _, seeds, _ in asked[1:]) == config.patches * config.patch_episodes
    own = {seed // 1_000_000 for _, seeds, _ in asked for seed in seeds}
    assert own == {seed}, "runs of other seeds play there"


def test_half_of_a_patch_explores() -> None:
    config = push_t.push_t_config("s", 1)
    (kind, seeds, policy), *none = gathered(config, 0)
    assert (kind, len(seeds), policy, none) == ("play", config.play[1], None, [])
    (first, seen, likeliest), (second, also, sampled) = gathered(config, 2)
    assert (first, second) == ("policy 1", "policy 1, exploring")
    assert isinstance(likeliest, Likeliest) and isinstance(sampled, Sampled)
    assert len(seen) == len(also) == config.patch_episodes // 2


class Source:
    """Episodes of so many rows, without a disk."""

    path, identity, camera_keys = Path("nowhere"), "", ()
    features = {
        "observation.x": {"dtype": "float32", "shape": [1], "names": None},
        "action": {"dtype": "float32", "shape": [1], "names": None},
    }

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = np.asarray(lengths, np.int64)
        self.starts = np.cumsum(self.lengths) - self.lengths

    def column(self, key: str) -> np.ndarray:
        return np.zeros((int(self.lengths.sum()), 1), np.float32)

    def frames(self, key: str, episode: int) -> np.ndarray:
        raise AssertionError("no pictures")


batches = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=12), min_size=1, max_size=4)


@given(
    play=st.lists(st.integers(3, 6), min_size=3, max_size=12),
    patches=batches,
    held_out=st.floats(0.05, 0.5),
    seed=st.integers(0, 9),
    window=st.integers(1, 3),
)
@settings(max_examples=100, deadline=None)
def test_an_episode_keeps_its_part_in_later_rounds(play, patches, held_out, seed, window) -> None:
    config = WorldConfig(held_out=held_out, seed=seed)
    window = min(window, min(play) - 1)
    rounds = []
    for number in range(len(patches) + 1):
        added = [play, *patches[:number]]
        later = list(itertools.accumulate(len(batch) for batch in added[:-1]))
        windows = Windows(Source([rows for batch in added for rows in batch]), window, ("x",))
        rounds.append([set(part.episodes.tolist()) for part in apart(windows, config, later)])
    for (training, selection, exam), following in zip(rounds, [*rounds[1:], rounds[-1]], strict=True):
        assert len(exam) >= 2 and not exam & (training | selection)
        assert exam <= following[2] and training <= following[0]
        assert not exam & (following[0] | following[1]), "an exam's episode was learned from later"


def test_without_later_an_episode_changes_its_part() -> None:
    """Why `apart` must know the batches: one draw over all episodes mixes exam and training of the rounds."""
    first, both = ({*part.episodes.tolist()} for part in (_exam(20), _exam(32)))
    assert first & set(range(20)) and not first <= both


def _exam(episodes: int) -> Windows:
    return apart(Windows(Source([4] * episodes), 1, ("x",)), WorldConfig())[2]


def test_a_configuration_says_what_a_round_is() -> None:
    config = push_t.push_t_config("nano", 3)
    assert config.rounds == config.patches + 1 == 2
    train = config.policy.train
    assert config.samples == (train.updates + config.closing) * train.worlds * train.horizon
    world = WorldConfig(EnsembleConfig("nano"), FitConfig(updates=9, learning_rate=0.5))
    refitted = config.refitted(world)
    assert (refitted.fit.updates, refitted.fit.learning_rate) == (4, 0.25) and refitted.model == world.model
    assert [coupled.named("world", config, number) for number in (0, 1)] == ["world-0", "world"]


@pytest.mark.parametrize(("patches", "episodes", "refit"), [(-1, 4, 0.5), (1, 1, 0.5), (1, 4, 0.0), (1, 4, 1.5)])
def test_impossible_rounds_are_refused(patches: int, episodes: int, refit: float) -> None:
    with pytest.raises(ConfigError, match="patches >= 0, patch_episodes >= 2 and refit"):
        CoupledConfig(
            "push-t",
            "nano",
            0,
            ("play", 4),
            WorldConfig(),
            WorldConfig(),
            PolicyConfig(),
            patches,
            episodes,
            5,
            refit=refit,
        )


def test_presets_are_one_for_each_size() -> None:
    configs = {size: push_t.push_t_config(size, 1) for size in ("nano", "xs", "s", "m", "l")}
    assert all(config.size == size and config.task == "push-t" for size, config in configs.items())
    for spent in (lambda c: c.play[1], lambda c: c.samples, lambda c: c.patches * c.patch_episodes):
        values = [spent(config) for config in configs.values()]
        assert values == sorted(values)
    small = configs["s"]
    real = small.play[1] + small.patches * small.patch_episodes
    assert real * 150 <= 72_000 and small.samples <= 8_000_000, "more than the published budget"
    assert small.world.model.frame == small.local.model.frame == push_t.PUSH_T.body
