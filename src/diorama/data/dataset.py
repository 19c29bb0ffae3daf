"""`Dataset`: episodes on disk in LeRobot's format v3.0 (or v2.1), read with NumPy, PyArrow and PyAV alone.

**Time.** An episode of T actions that Diorama collects is T + 1 rows: row t holds observation t and the action that
was then taken. The action of an episode's last row has no recorded outcome and is never used in a `Window`.
``next.reward[t]`` and ``next.done[t]`` (and, where present, ``next.truncated[t]`` and ``next.success[t]``) belong to
the action of row t; ``next.done`` is true at the row whose action ended the episode and at the last row. Datasets of
others with T rows give T - 1 transitions by the same rule.
"""

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.errors import DataError
from diorama.core.spec import ArraySpec, EnvSpec
from diorama.data.episodes import EpisodeTable, check_index_columns, read_episode_stats, read_episodes
from diorama.data.features import AUTOMATIC, Feature
from diorama.data.guard import inside, read_json, refusing, require
from diorama.data.identity import (
    EpisodeIdentity,
    exact_digest,
    identity_keys,
    keyframes,
    merkle_root,
    motion_sketch,
    picture_hash,
)
from diorama.data.info import Info, read_info
from diorama.data.parquet import ParquetReader
from diorama.data.pending import settle
from diorama.data.png import decode_picture
from diorama.data.side import Bounds, Side, read_side, verify_file
from diorama.data.statistics import Stats, column_stats, from_lists, merge_all
from diorama.data.v21 import read_episodes_v21, read_stats_v21
from diorama.data.video import VideoReader

_OPEN_FILES = 16
_MARGIN = 0.05


class Dataset:
    """One dataset, opened for reading; make it with `Dataset.open`. Rows of all episodes count one after another.

    Structure and metadata are checked when it opens, the content of a file when it is first used: digests of the
    side file where there is one, page checksums where the files have them, counters, times, types, and finiteness.
    """

    def __init__(self, path: Path, info: Info, table: EpisodeTable, side: Side | None) -> None:
        self.path, self.info, self.table, self.side = path, info, table, side
        self.fps, self.num_episodes, self.num_frames = info.fps, info.total_episodes, info.total_frames
        self.lengths, self.starts = table.lengths, table.starts
        self.lengths.flags.writeable = self.starts.flags.writeable = False
        self.tasks = list(table.names)
        self.features = {key: feature.to_json() for key, feature in info.features.items()}
        self.camera_keys = [key for key, feature in info.features.items() if feature.is_camera]
        self._owners = table.owners()
        self._columns: dict[str, np.ndarray] = {}
        self._verified: set[str | tuple[str, str]] = set()
        self._local = threading.local()

    @staticmethod
    def open(path: str | Path, merge: bool = True, sealed: bool = True) -> "Dataset":
        """Open the dataset in the folder ``path``, first merging (``merge``) what a killed writer left finished.

        ``sealed=False`` ignores the side file, so that changes of other tools are not refused. Raises `DataError` for
        datasets that are truncated, inconsistent or hostile.
        """
        root = Path(path)
        if merge:
            settle(root)
        side = read_side(root) if sealed and root.is_dir() else None
        if side is not None:
            for name in side.files:
                if name.startswith("meta/"):
                    verify_file(root, name, side)
        info = read_info(root)
        missing = sorted(set(AUTOMATIC) - set(info.features))
        require(not missing, f"info.json lacks the features {missing}; add the automatic columns.")
        for key, feature in AUTOMATIC.items():
            same = (info.features[key].dtype, info.features[key].shape) == (feature.dtype, ())
            require(same, f"Feature {key!r} in info.json is not {feature.dtype} of shape [1]; correct it.")
        table = read_episodes(root, info) if info.codebase_version == "v3.0" else read_episodes_v21(root, info)
        counted = side is None or len(side.episodes) == len(table.lengths)
        require(counted, f"{root} and its meta/diorama.json differ in episodes; restore it, or seal the dataset anew.")
        dataset = Dataset(root, info, table, side)
        dataset._check_structure()
        return dataset

    def _check_structure(self) -> None:
        columns = {key: f for key, f in self.info.features.items() if f.dtype != "video"}
        row_bytes = sum(feature.row_bytes for feature in columns.values() if not feature.is_camera)
        for name, own in self._owners.items():
            path = inside(self.path, name)
            require(path.is_file(), f"{path} is missing; restore it from a copy.")
            reader = ParquetReader(path)
            rows = int(self.lengths[own].sum())
            require(reader.rows == rows, f"{path} has {reader.rows} rows, the metadata say {rows}; restore the file.")
            missing = sorted(set(columns) - reader.names)
            require(not missing, f"{path} lacks the columns {missing}; correct info.json or restore the file.")
            reader.allow(rows * row_bytes)
            reader.close()
        for places in self.table.videos.values():
            for name in set(places.files):
                path = inside(self.path, name)
                require(path.is_file(), f"{path} is missing; restore it from a copy.")

    def column(self, key: str) -> np.ndarray:
        """The values of one plain feature, ``[num_frames, *shape]``, read-only and cached.

        ``action`` and ``observation.*`` of shape ``[1]`` give ``[num_frames, 1]``, all other scalars ``[num_frames]``.
        Raises `DataError` for unknown names, cameras, and damaged or inconsistent files.
        """
        if key not in self._columns:
            feature = self._feature(key)
            require(not feature.is_camera, f"{key!r} is a camera; read it with frames(key, episode).")
            self._columns[key] = self._read_column(key, feature)
        return self._columns[key]

    def _feature(self, key: str) -> Feature:
        if key not in self.info.features:
            raise DataError(f"The dataset has no column {key!r}; it has {sorted(self.info.features)}.")
        return self.info.features[key]

    def _read_column(self, key: str, feature: Feature) -> np.ndarray:
        if not self.num_episodes:
            return np.zeros((0, *feature.shape), np.str_ if feature.dtype == "string" else feature.dtype)
        parts = {name: self._reader(name).column(key, feature) for name in self._owners}
        spans = zip(self.table.files, self.table.rows.tolist(), self.lengths.tolist(), strict=True)
        ordered = len(parts) == 1 or list(self.table.files) == sorted(self.table.files, key=list(parts).index)
        pieces = list(parts.values()) if ordered else [parts[name][row : row + size] for name, row, size in spans]
        values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        values.flags.writeable = False
        return values

    def _reader(self, name: str) -> ParquetReader:
        """The open data file ``name``, its bytes and its index columns verified on first use."""
        readers = self._cache("readers")
        if name not in readers:
            path = self.verify(name)
            reader = readers[name] = ParquetReader(path)
            if ("rows", name) not in self._verified:
                columns = {key: reader.column(key, feature) for key, feature in AUTOMATIC.items()}
                check_index_columns(columns, self.table, self._owners[name], self.fps, name)
                self._verified.add(("rows", name))
        return readers[name]

    def _cache(self, kind: str) -> dict[str, Any]:
        # Decoders and files keep a position, so every thread has its own.
        cache = self._local.__dict__.setdefault(kind, {})
        while len(cache) >= _OPEN_FILES:
            cache.pop(next(iter(cache))).close()
        return cache

    def verify(self, name: str) -> Path:
        """The path of one of the dataset's files, its bytes verified once against the side file. Raises `DataError`."""
        if name not in self._verified:
            verify_file(self.path, name, self.side)
            self._verified.add(name)
        return inside(self.path, name)

    def frames(self, key: str, episode: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Frames [start, stop) (default: all) of one camera in one episode, uint8 ``[T, H, W, C]``.

        Raises `DataError` for unknown cameras and episodes and for damaged pictures.
        """
        feature = self._feature(key)
        require(feature.is_camera, f"{key!r} is no camera; read it with column(key).")
        length = self._length(episode)
        stop = length if stop is None else stop
        require(0 <= start <= stop <= length, f"Frames {start} to {stop} leave episode {episode} of {length} frames.")
        shape = feature.frame_shape
        if feature.dtype == "video":
            places = self.table.videos[key]
            videos, name = self._cache("videos"), places.files[episode]
            if name not in videos:
                videos[name] = VideoReader(self.verify(name), shape, self.fps)
            return videos[name].frames(float(places.origins[episode]), start, stop)
        first = int(self.table.rows[episode])
        pictures = self._reader(self.table.files[episode]).pictures(key, first + start, first + stop)
        require(stop - start == len(pictures), f"Episode {episode} lacks pictures of {key!r}; restore the file.")
        what = f"A picture of {key!r} in episode {episode}"
        decoded = [decode_picture(picture, shape, what) for picture in pictures]
        return np.stack(decoded) if decoded else np.empty((0, *shape), np.uint8)

    def _length(self, episode: int) -> int:
        known = 0 <= episode < self.num_episodes
        require(known, f"There is no episode {episode}; the dataset has {self.num_episodes}, counted from 0.")
        return int(self.lengths[episode])

    def episode(self, episode: int) -> dict[str, np.ndarray]:
        """Every column of one episode, ``[T, *shape]``; cameras decoded, uint8. Raises `DataError`."""
        length, start = self._length(episode), int(self.starts[episode])
        return {
            key: self.frames(key, episode) if feature.is_camera else self.column(key)[start : start + length]
            for key, feature in self.info.features.items()
        }

    def episode_tasks(self, episode: int) -> list[str]:
        """The task texts of one episode."""
        self._length(episode)
        return list(self.table.tasks[episode])

    @cached_property
    def stats(self) -> dict[str, Stats]:
        """Statistics of the whole dataset by feature, from its files; of the plain columns where the file is missing.

        Raises `DataError`.
        """
        if self.info.codebase_version == "v2.1":
            total: dict[str, Stats] = {}
            for part in read_stats_v21(self.path, self.info):
                total = merge_all(total, part)
            return total
        path = inside(self.path, "meta/stats.json")
        if not path.exists():
            return self._counted() if self.num_episodes else {}
        raw = read_json(path)
        with refusing(path):
            return from_lists(raw)

    def _counted(self) -> dict[str, Stats]:
        plain = {key: f for key, f in self.info.features.items() if not f.is_camera and f.dtype != "string"}
        return {key: column_stats(feature, self.column(key)) for key, feature in plain.items()}

    def episode_stats(self, episode: int) -> dict[str, Stats]:
        """Statistics of one episode by feature, from the dataset's files. Raises `DataError`."""
        self._length(episode)
        if self.info.codebase_version == "v2.1":
            return read_stats_v21(self.path, self.info)[episode]
        return read_episode_stats(self.path, self.table, episode)

    @cached_property
    def identities(self) -> Sequence[EpisodeIdentity]:
        """Identity of each episode: from the side file, else computed (which reads everything)."""
        if self.side is not None:
            return self.side.episodes
        return [self.compute_identity(k) for k in range(self.num_episodes)]

    @cached_property
    def identity(self) -> str:
        """The dataset's version: Merkle root over the exact digests of its episodes. Equal data, equal version."""
        if self.side is not None:
            return self.side.version
        return merkle_root([self.compute_exact(k) for k in range(self.num_episodes)])

    def compute_exact(self, episode: int) -> str:
        """The exact digest of one episode, from its data and not from the side file."""
        span = slice(int(self.starts[episode]), int(self.starts[episode]) + self._length(episode))
        return exact_digest({key: self.column(key)[span] for key in identity_keys(self.info.features)})

    def compute_identity(self, episode: int, ids: Mapping[str, str] | None = None) -> EpisodeIdentity:
        """The whole identity of one episode, from its data; decodes a few frames of each camera."""
        start, length = int(self.starts[episode]), self._length(episode)
        motion = motion_sketch(self.column("action")[start : start + length]) if "action" in self.features else ""
        percept = {}
        for key in self.camera_keys:
            chosen = [self.frames(key, episode, k, k + 1)[0] for k in keyframes(length)]
            percept[key] = tuple(picture_hash(picture) for picture in chosen)
        return EpisodeIdentity(self.compute_exact(episode), motion, percept, dict(ids or {}))

    def spec(self, action_low: Any = None, action_high: Any = None) -> EnvSpec:
        """The `EnvSpec` of the world that was recorded: ``observation.*`` without that prefix, action, control period.

        Units and bounds come from the side file. Where it has none, observations are unbounded (pictures 0 to 255) and
        the action's bounds are the arguments or, entry by entry, the least and greatest recorded action widened by 5 %
        of their distance: what was seen, not what the machine can do. Raises `DataError` without action or observation.
        """
        found = {key: f for key, f in self.info.features.items() if key.startswith("observation.")}
        usable = bool(found) and "action" in self.features
        require(usable, "A spec needs an action and observation columns; this dataset lacks one of them.")
        observation = {key.removeprefix("observation."): self._array_spec(key, f) for key, f in found.items()}
        action = self._array_spec("action", self.info.features["action"])
        low, high = self._action_bounds(action) if not action.bounded else (action.low, action.high)
        low, high = (low if action_low is None else action_low), (high if action_high is None else action_high)
        bounds = [tuple(np.broadcast_to(np.asarray(side, np.float64), action.shape).tolist()) for side in (low, high)]
        action = ArraySpec(action.shape, action.unit, bounds[0], bounds[1], action.dtype, action.names)
        period = self.side.control_period if self.side else None
        return EnvSpec(self.info.robot_type or self.path.name, observation, action, period or 1.0 / self.fps)

    def _array_spec(self, key: str, feature: Feature) -> ArraySpec:
        known = self.side.bounds.get(key) if self.side else None
        if feature.is_camera:
            return ArraySpec(feature.frame_shape, known.unit if known else "1", 0.0, 255.0, "uint8")
        bounds = known or Bounds()
        names = feature.axis_names if (len(feature.axis_names),) == feature.shape else ()
        low, high = bounds.limits()
        return ArraySpec(feature.shape, bounds.unit, low, high, feature.dtype, names)

    def _action_bounds(self, action: ArraySpec) -> tuple[np.ndarray, np.ndarray]:
        values = self.column("action").astype(np.float64)
        require(len(values), "An empty dataset shows no action bounds; give action_low and action_high.")
        low, high = values.min(0), values.max(0)
        margin = np.maximum(_MARGIN * (high - low), 1e-6)
        known_low, known_high = action.bounds()
        low = np.where(np.isfinite(known_low), known_low, low - margin)
        return low, np.where(np.isfinite(known_high), known_high, high + margin)
