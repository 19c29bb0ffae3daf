"""`Windows`: typed, masked stretches of recorded episodes, as NumPy arrays.

The time rule. Row t of an episode holds the observation at t, the action chosen there and what came of it, ``next.*``.
A window over rows t .. t + L has L + 1 observations and L actions. The last row of an episode has no recorded outcome,
so its action, ``next.reward`` and ``next.done`` are never used. ``end`` is ``next.done`` and not ``next.truncated``.
"""

import abc
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from diorama.core.errors import DataError
from diorama.data.frame_cache import FrameCache
from diorama.data.shuffle import Shuffle
from diorama.data.source import EpisodeSource
from diorama.data.tables import Columns, load_tables

if TYPE_CHECKING:
    from diorama.core.trajectory import Window

AHEAD = 64
"""Batches that are drawn at once."""
BLOCK_BYTES = 16 * 1024**2
"""About how many bytes of vectors (all that is not pictures) are gathered at once."""


class Tail(abc.ABC):
    """What to do where an episode has fewer rows left than a window needs: `Drop` or `Repeat`."""

    @abc.abstractmethod
    def starts(self, lengths: np.ndarray, span: int, frame_skip: int) -> np.ndarray:
        """In how many rows of each episode a window may start; ``span``: rows from first to last observation."""


@dataclass(frozen=True)
class Drop(Tail):
    """Only whole windows: every ``mask`` is True."""

    def starts(self, lengths: np.ndarray, span: int, frame_skip: int) -> np.ndarray:
        """As in `Tail`."""
        return np.maximum(lengths - span, 0)


@dataclass(frozen=True)
class Repeat(Tail):
    """Windows with at least one real step; the last observation and action repeat, rewards are 0, ``mask`` is False."""

    def starts(self, lengths: np.ndarray, span: int, frame_skip: int) -> np.ndarray:
        """As in `Tail`."""
        return np.maximum(lengths - frame_skip, 0)


@dataclass(frozen=True)
class _Index:
    """Where windows are: episode numbers, first and last rows, and the number of windows before each ``[E + 1]``."""

    episodes: np.ndarray
    first: np.ndarray
    last: np.ndarray
    before: np.ndarray

    def only(self, chosen: np.ndarray) -> "_Index":
        """The index of some of the episodes, by their place in it."""
        counts = np.diff(self.before)[chosen]
        before = np.concatenate([[0], np.cumsum(counts)])
        return _Index(self.episodes[chosen], self.first[chosen], self.last[chosen], before)


class Windows:
    """All windows of ``length`` steps (``length + 1`` observations) of a dataset, numbered ``0 .. len - 1``.

    ``observation``: the names wanted (``state`` is column ``observation.state``), or a mapping from the name that the
    window shall use to any column, ``{"top": "observation.images.top"}``; by default every ``observation.*`` column.
    Cameras are read from ``frames``, a cache that is built on first use. Float columns become float32.
    ``frame_skip`` k: observations are k rows apart; a step's action is the k actions one after another ``[k * A]``, its
    reward their sum, its end whether any of them ended. ``stride``: rows between the starts of neighbouring windows.
    Raises `DataError` for unknown or non-numeric columns, NaN or infinity, and where no episode is long enough.
    """

    def __init__(
        self,
        dataset: EpisodeSource,
        length: int,
        observation: Sequence[str] | Mapping[str, str] | None = None,
        *,
        columns: Columns = Columns(),  # noqa: B008 (immutable)
        tail: Tail = Drop(),  # noqa: B008 (immutable)
        frame_skip: int = 1,
        stride: int = 1,
        frames: FrameCache = FrameCache(),  # noqa: B008 (immutable)
    ) -> None:
        if min(length, frame_skip, stride) < 1:
            raise DataError(f"length {length}, frame_skip {frame_skip}, stride {stride}: each must be at least 1.")
        self.length, self.frame_skip, self.stride = length, frame_skip, stride
        lengths, starts = np.asarray(dataset.lengths, np.int64), np.asarray(dataset.starts, np.int64)
        counts = -(-tail.starts(lengths, length * frame_skip, frame_skip) // stride)
        if not counts.any():
            rows, longest = length * frame_skip + 1, int(lengths.max(initial=0))
            raise DataError(
                f"A window needs {rows} rows, the longest episode has {longest}; shorten it or use Repeat()."
            )
        before = np.concatenate([[0], np.cumsum(counts)])
        index = _Index(np.arange(len(lengths)), starts, starts + lengths - 1, before)
        self._index = index.only(np.flatnonzero(counts))
        self._tables = load_tables(dataset, observation, columns, frames)

    def __len__(self) -> int:
        return int(self._index.before[-1])

    @property
    def episodes(self) -> np.ndarray:
        """Numbers of the episodes that hold at least one of these windows, int64."""
        return self._index.episodes

    def take(self, numbers: np.ndarray) -> "Window":
        """The windows with these ``numbers`` (integers ``[B]``) as one batch.

        Observations ``[B, L + 1, ...]`` (frames uint8 ``[B, L + 1, H, W, C]``), action float32 ``[B, L, A]``, reward
        float32, end and mask bool ``[B, L]``. All are fresh arrays. Raises `DataError` for numbers out of range.
        """
        return next(self._cut(np.asarray(numbers, np.int64)[None]))

    def batches(self, numbers: np.ndarray) -> Iterator["Window"]:
        """As `take` for each row of ``numbers`` (integers ``[N, B]``) in turn; much faster than one by one."""
        numbers = np.asarray(numbers, np.int64)
        tables, cameras = self._tables, self._tables.cameras
        vectors = [tables.action, *(table for name, table in tables.observation.items() if name not in cameras)]
        row = sum(table[:1].nbytes for table in vectors) + 1
        block = min(max(BLOCK_BYTES // (row * (self.length + 1) * max(numbers.shape[1], 1)), 1), AHEAD)
        for first in range(0, len(numbers), block):
            yield from self._cut(numbers[first : first + block])

    def _cut(self, numbers: np.ndarray) -> Iterator["Window"]:
        """One window batch for each row of ``numbers``; everything but pictures is gathered for all rows at once."""
        from jax.tree_util import tree_unflatten

        start, steps = self._locate(numbers)
        offset, tables, skip = np.arange(self.length + 1), self._tables, self.frame_skip
        mask = offset[:-1] < steps[..., None]
        rows = start[..., None] + np.minimum(offset, steps[..., None]) * skip
        acted = start[..., None] + np.minimum(offset[:-1], steps[..., None] - 1) * skip
        acted = acted[..., None] + np.arange(skip)
        cameras, whole = tables.cameras, skip == 1 and bool(mask.all())
        vectors = {n: t.take(rows, axis=0) for n, t in tables.observation.items() if n not in cameras}
        action = tables.action.take(acted, axis=0).reshape(*mask.shape, -1)
        reward = tables.reward.take(acted).sum(-1) * mask
        end = tables.end.take(acted).any(-1) & mask
        # Unflattening makes a `Window` ten times faster than its constructor does.
        for k in range(len(numbers)):
            seen = [
                _gather(tables.observation[name], rows[k], whole) if name in cameras else vectors[name][k]
                for name in sorted(tables.observation)
            ]
            yield tree_unflatten(self._structure, [*seen, action[k], reward[k], end[k], mask[k]])

    @cached_property
    def _structure(self) -> Any:
        from jax.tree_util import tree_structure

        from diorama.core.trajectory import Window

        flag, number = np.zeros(1, bool), np.zeros(1, np.float32)
        return tree_structure(Window(dict.fromkeys(self._tables.observation, number), number[None], number, flag, flag))

    def _locate(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First row of each window, and how many whole steps its episode has from there on."""
        index = self._index
        if numbers.size and not (0 <= numbers.min() and numbers.max() < len(self)):
            raise DataError(
                f"Windows are numbered 0 to {len(self) - 1}; {numbers.min()} to {numbers.max()} were asked for."
            )
        episode = np.searchsorted(index.before, numbers, side="right") - 1
        start = index.first[episode] + (numbers - index.before[episode]) * self.stride
        return start, (index.last[episode] - start) // self.frame_skip

    def sample(self, rng: np.random.Generator, batch: int) -> "Window":
        """``batch`` windows drawn uniformly, with replacement."""
        return self.take(rng.integers(0, len(self), batch))

    def epoch(self, seed: int, batch: int, cursor: int = 0) -> "Batches":
        """Each window at most once, in an order that belongs to ``seed``. To resume, pass the ``cursor`` it had."""
        return Batches(self, seed, batch, cursor, endless=False)

    def stream(self, seed: int, batch: int, cursor: int = 0) -> "Batches":
        """Epoch after epoch without end, each in another order. To resume, pass the ``cursor`` it had."""
        return Batches(self, seed, batch, cursor, endless=True)

    def split(self, held_out: float, seed: int = 0) -> tuple["Windows", "Windows"]:
        """Windows to learn from and windows held out, which share no episode; at least one episode on either side.

        ``held_out`` is the fraction of the episodes in (0, 1). Raises `DataError` where there are fewer than two.
        """
        count = len(self.episodes)
        if not 0 < held_out < 1 or count < 2:
            raise DataError(
                f"Cannot hold out {held_out} of {count} episodes; give a fraction in (0, 1) of at least two."
            )
        order = np.random.default_rng(seed).permutation(count)
        held = min(max(round(held_out * count), 1), count - 1)
        return self._only(np.sort(order[held:])), self._only(np.sort(order[:held]))

    def only(self, episodes: np.ndarray) -> "Windows":
        """The windows of these episodes, by number. Raises `DataError` where none of them holds a window."""
        chosen = np.flatnonzero(np.isin(self.episodes, episodes))
        if not chosen.size:
            raise DataError(f"None of the {len(episodes)} episodes is long enough for a window; shorten it.")
        return self._only(chosen)

    def episode_of(self, numbers: np.ndarray) -> np.ndarray:
        """The number of the episode of each window, int64."""
        return self.episodes[np.searchsorted(self._index.before, np.asarray(numbers, np.int64), side="right") - 1]

    def _only(self, chosen: np.ndarray) -> "Windows":
        part = copy.copy(self)
        part._index = self._index.only(chosen)
        return part


@dataclass
class Batches(Iterator["Window"]):
    """Batches of shuffled windows. ``cursor`` counts the batches given so far; it is all that a resumption needs.

    All batches are full (one compiled program); the fewer than ``batch`` windows that an epoch leaves over come up in
    another epoch, which has another order. Raises `DataError` where there are fewer windows than ``batch``.
    """

    windows: Windows
    seed: int
    batch: int
    cursor: int
    endless: bool
    _ready: Iterator["Window"] = field(default=iter(()), init=False, repr=False)
    _ready_at: int = field(default=-1, init=False, repr=False)

    def __post_init__(self) -> None:
        count = len(self.windows)
        if not 1 <= self.batch <= count:
            raise DataError(f"Cannot make batches of {self.batch} from {count} windows; choose 1 to {count}.")
        if self.cursor < 0 or not (self.endless or self.cursor <= self.per_epoch):
            raise DataError(f"Cursor {self.cursor} is not in 0 to {self.per_epoch}; it belongs to other windows.")

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return len(self.windows) // self.batch

    def __next__(self) -> "Window":
        if not self.endless and self.cursor == self.per_epoch:
            raise StopIteration
        window = next(self._ready, None) if self._ready_at == self.cursor else None
        if window is None:
            self._ready = self.windows.batches(self._draw())
            window = next(self._ready)
        self.cursor += 1
        self._ready_at = self.cursor
        return window

    def _draw(self) -> np.ndarray:
        """Window numbers ``[<= AHEAD, batch]`` from the cursor on, within one epoch."""
        epoch, place = divmod(self.cursor, self.per_epoch)
        count = min(AHEAD, self.per_epoch - place)
        positions = np.arange(place * self.batch, (place + count) * self.batch)
        return Shuffle(len(self.windows), (self.seed, epoch))(positions).reshape(count, self.batch)


def _gather(table: np.ndarray, rows: np.ndarray, whole: bool) -> np.ndarray:
    """``table[rows]`` of pictures; whole clips are copied clip by clip, as they lie one after another."""
    if not whole:
        return table.take(rows, axis=0)
    out = np.empty((*rows.shape, *table.shape[1:]), table.dtype)
    for clip, first in zip(out, rows[:, 0].tolist(), strict=True):
        clip[...] = table[first : first + rows.shape[1]]
    return out
