"""Windows on a counter dataset: every value names its episode and row, so any shift in time shows."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.core.errors import DataError
from diorama.core.trajectory import Window
from diorama.data.features import Feature
from diorama.data.shuffle import Shuffle
from diorama.data.windows import Columns, Drop, Repeat, Windows


@dataclass
class Counter:
    """Rows ``1000 * episode + t``; the action is that + 0.25, the reward that + 0.5, and the last row holds poison."""

    lengths: np.ndarray
    path: Path = Path()
    extra: dict = field(default_factory=dict)
    camera_keys: tuple = ()
    identity: str = "counter"

    def __post_init__(self):
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]]).astype(np.int64)
        count, episode = int(self.lengths.sum()), np.repeat(np.arange(len(self.lengths)), self.lengths)
        t = np.arange(count) - self.starts[episode]
        last = t == self.lengths[episode] - 1
        name = 1000.0 * episode + t
        self.columns = {
            "observation.state": np.stack([name, -name], -1).astype(np.float32),
            "observation.count": np.asarray(name, np.int64)[:, None],
            "action": np.where(last, 9e9, name + 0.25).astype(np.float32)[:, None],
            "next.reward": np.where(last, 9e9, name + 0.5).astype(np.float32),
            "next.done": last | (t == self.lengths[episode] - 2),
            "next.truncated": (t == self.lengths[episode] - 2) & (episode % 2 == 1),
        } | self.extra
        self.features = {
            key: Feature("string" if v.dtype.kind == "U" else str(v.dtype), v.shape[1:])
            for key, v in self.columns.items()
        }

    def column(self, key):
        return self.columns[key]

    def frames(self, key, episode):
        raise AssertionError("a counter has no camera")


LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=6).map(lambda x: np.array(x, np.int64))


def expected(lengths, length, skip, stride, repeat):
    """All windows by the definition, slowly: (episode, start row) pairs in order."""
    least = skip if repeat else length * skip
    return [(e, t) for e, n in enumerate(lengths) for t in range(0, n, stride) if t + least <= n - 1]


@settings(max_examples=150, deadline=None)
@given(LENGTHS, st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_every_window_matches_the_definition(lengths, length, skip, stride, repeat):
    clips = expected(lengths, length, skip, stride, repeat)
    tail = Repeat() if repeat else Drop()
    if not clips:
        with pytest.raises(DataError, match="window needs"):
            Windows(Counter(lengths), length, tail=tail, frame_skip=skip, stride=stride)
        return
    made = Windows(Counter(lengths), length, tail=tail, frame_skip=skip, stride=stride)
    assert len(made) == len(clips)
    window = made.take(np.arange(len(clips)))
    assert window.observation["state"].shape == (len(clips), length + 1, 2)
    assert window.action.shape == (len(clips), length, skip)
    for k, (episode, start) in enumerate(clips):
        last = lengths[episode] - 1
        real = min(length, (last - start) // skip)
        for step in range(length + 1):
            seen = 1000 * episode + start + min(step, real) * skip
            assert window.observation["state"][k, step].tolist() == [seen, -seen]
            assert window.observation["count"][k, step].tolist() == [seen]
        for step in range(length):
            first = 1000 * episode + start + min(step, real - 1) * skip
            inner = first + np.arange(skip)
            assert window.action[k, step].tolist() == (inner + 0.25).tolist()
            assert window.mask[k, step] == (step < real)
            assert window.reward[k, step] == ((inner + 0.5).sum() if step < real else 0)
            ends = step < real and last - 1 in inner - 1000 * episode and episode % 2 == 0
            assert window.end[k, step] == ends


def test_types():
    window = Windows(Counter(np.array([5])), 2).sample(np.random.default_rng(0), 3)
    assert isinstance(window, Window) and window.length == 2
    assert window.observation["state"].dtype == np.float32 and window.observation["count"].dtype == np.int64
    assert (window.action.dtype, window.reward.dtype) == (np.float32, np.float32)
    assert (window.end.dtype, window.mask.dtype) == (np.bool_, np.bool_)


def test_an_episode_exactly_as_long_as_a_window_gives_one_window():
    assert len(Windows(Counter(np.array([4])), 3)) == 1
    with pytest.raises(DataError, match="needs 5 rows"):
        Windows(Counter(np.array([4])), 4)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 2**32))
def test_shuffle_is_a_permutation(size, seed):
    order = Shuffle(size, (seed,))(np.arange(size))
    assert np.array_equal(np.sort(order), np.arange(size))


def test_shuffle_mixes_and_depends_on_its_seed():
    order, other = (Shuffle(10_000, (seed,))(np.arange(10_000)) for seed in (1, 2))
    assert abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.05
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.05
    assert (order == other).mean() < 0.01
    assert 140 < (order[:400] < 5000).sum() < 260


def test_shuffle_of_very_many_needs_no_memory():
    order = Shuffle(10**12, (3,))(np.arange(1000))
    assert len(set(order.tolist())) == 1000 and order.max() < 10**12


def starts_of(window):
    return window.observation["count"][:, 0, 0].tolist()


def test_epoch_gives_each_window_at_most_once_and_resumes_exactly():
    made = Windows(Counter(np.array([30, 41, 2, 17])), 2)
    whole = [starts_of(window) for window in made.epoch(7, 4)]
    flat = sum(whole, [])
    assert len(whole) == len(made) // 4 and len(set(flat)) == len(flat)
    epoch = made.epoch(7, 4)
    for _ in range(5):
        next(epoch)
    assert epoch.cursor == 5
    assert [starts_of(window) for window in made.epoch(7, 4, cursor=epoch.cursor)] == whole[5:]
    assert [starts_of(window) for window in made.epoch(8, 4)] != whole


def test_stream_goes_on_and_resumes_across_epochs():
    made = Windows(Counter(np.array([9, 9])), 2)
    stream = made.stream(0, 5)
    seen = [starts_of(next(stream)) for _ in range(3 * stream.per_epoch)]
    resumed = made.stream(0, 5, cursor=4)
    assert [starts_of(next(resumed)) for _ in range(len(seen) - 4)] == seen[4:]
    assert seen[: stream.per_epoch] != seen[stream.per_epoch : 2 * stream.per_epoch]
    assert seen[: stream.per_epoch] == [starts_of(window) for window in made.epoch(0, 5)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(3, 9), min_size=2, max_size=12), st.floats(0.01, 0.99), st.integers(0, 9))
def test_split_is_by_whole_episodes(lengths, fraction, seed):
    made = Windows(Counter(np.array(lengths)), 2)
    learn, held = made.split(fraction, seed)
    assert sorted([*learn.episodes, *held.episodes]) == list(range(len(lengths)))
    assert len(learn) + len(held) == len(made)
    for part in (learn, held):
        rows = part.take(np.arange(len(part))).observation["count"][:, 0, 0]
        assert set((rows // 1000).tolist()) == set(part.episodes.tolist())
    again, _ = made.split(fraction, seed)
    assert np.array_equal(again.episodes, learn.episodes)


def test_names():
    data = Counter(np.array([5]))
    assert set(Windows(data, 1).take(np.array([0])).observation) == {"state", "count"}
    assert set(Windows(data, 1, ["observation.state"]).take(np.array([0])).observation) == {"state"}
    window = Windows(data, 1, {"odd": "next.reward", "state": "observation.count"}).take(np.array([2]))
    assert window.observation["odd"].tolist() == [[2.5, 3.5]]
    assert window.observation["state"].tolist() == [[[2], [3]]]


def test_absent_reward_and_end_are_zero_and_an_odd_action_is_named():
    data = Counter(np.array([5]))
    for key in ("next.reward", "next.done", "next.truncated"):
        del data.columns[key], data.features[key]
    data.features["control"] = data.features.pop("action")
    data.columns["control"] = data.columns.pop("action")
    window = Windows(data, 2, columns=Columns(action="control")).take(np.arange(3))
    assert not window.reward.any() and not window.end.any() and window.action[1, 0, 0] == 1.25
    with pytest.raises(DataError, match="Columns"):
        Windows(data, 2)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"observation.state": np.full((5, 2), np.nan, np.float32)}, "NaN or infinity in row 0"),
        ({"observation.state": np.array(["a"] * 5)}, "not numbers"),
        ({"next.reward": np.zeros((5, 2), np.float32)}, "one number for each"),
    ],
)
def test_bad_columns_are_refused(change, sentence):
    with pytest.raises(DataError, match=sentence):
        Windows(Counter(np.array([5]), extra=change), 1, ["state"])


def test_impossible_requests_are_refused():
    data = Counter(np.array([5, 5]))
    made = Windows(data, 2)
    for call, sentence in [
        (lambda: Windows(data, 0), "at least 1"),
        (lambda: Windows(data, 1, ["nothing"]), "No columns"),
        (lambda: Windows(data, 1, []), "No observation columns"),
        (lambda: made.take(np.array([len(made)])), "numbered 0 to 5"),
        (lambda: made.epoch(0, 7), "choose 1 to 6"),
        (lambda: made.epoch(0, 2, cursor=4), "Cursor 4"),
        (lambda: made.split(1.0), "fraction"),
        (lambda: Windows(Counter(np.array([5])), 1).split(0.5), "at least two"),
        (lambda: next(made.stream(-1, 2)), "seeds >= 0"),
    ]:
        with pytest.raises(DataError, match=sentence):
            call()


def test_batches_are_what_take_gives_however_they_are_blocked(monkeypatch):
    made = Windows(Counter(np.array([30, 41, 2, 17])), 2, tail=Repeat())
    numbers = np.random.default_rng(0).integers(0, len(made), (10, 7))
    for size in (1, 2000, 10**9):
        monkeypatch.setattr("diorama.data.windows.BLOCK_BYTES", size)
        for row, window in zip(numbers, made.batches(numbers), strict=True):
            alone = made.take(row)
            assert isinstance(window, Window) and window.observation.keys() == alone.observation.keys()
            for name in ("action", "reward", "end", "mask"):
                assert np.array_equal(getattr(window, name), getattr(alone, name))
            for name, value in alone.observation.items():
                assert np.array_equal(window.observation[name], value)


def test_a_moved_cursor_moves_the_batches():
    epoch = Windows(Counter(np.array([30, 41])), 2).epoch(0, 3)
    seen = [starts_of(next(epoch)) for _ in range(4)]
    epoch.cursor = 1
    assert [starts_of(next(epoch)) for _ in range(3)] == seen[1:]


def test_windows_are_fresh_arrays():
    made = Windows(Counter(np.array([5])), 2)
    made.take(np.array([0])).observation["state"][...] = -1
    assert made.take(np.array([0])).observation["state"][0, 1, 0] == 1
