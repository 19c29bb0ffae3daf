"""`DatasetWriter`: append episodes in LeRobot's format v3.0; every finished episode survives ``kill -9``."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from diorama.core.errors import ConfigError, DataError
from diorama.core.spec import EnvSpec
from diorama.data import pending
from diorama.data.dataset import Dataset
from diorama.data.features import AUTOMATIC, Feature, canonical, fit, parse_features
from diorama.data.guard import require
from diorama.data.identity import (
    IDS,
    EpisodeIdentity,
    exact_digest,
    identity_keys,
    keyframes,
    motion_sketch,
    picture_hash,
)
from diorama.data.info import VIDEO_PATH, Info, check_fps, read_info
from diorama.data.merging import merge_waiting, write_empty
from diorama.data.parquet import data_schema, to_arrow
from diorama.data.png import encode_png
from diorama.data.side import Side, bounds_of
from diorama.data.statistics import column_stats
from diorama.data.video import H264, Images, Png, VideoReader, check_encoder, encode_video, images_of

_MOST_WAITING = 1000


class DatasetWriter:
    """Appends episodes. Use it as a context manager; leaving it, also by an error or Ctrl-C, keeps finished episodes.

    ``features``: name -> `Feature` or LeRobot's mapping ``{"dtype", "shape", "names"}`` for every column but the
    automatic ones; dtype ``image`` or ``video`` makes a camera (H, W, C). ``fps`` is the rate of rows [1/s].
    ``images`` says how pictures are stored: ``H264()``, ``Av1()``, ``Png()`` (lossless), or their names. ``spec`` gives
    units, bounds and control period to the side file. See `diorama.data.dataset` for the convention of T + 1 rows.

    Raises `DataError` where ``path`` already holds a dataset (use `extend`) or another writer is at work.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        fps: float | int,
        features: Mapping[str, Feature | Mapping[str, Any]],
        robot_type: str | None = None,
        images: Images | str = "h264",
        spec: EnvSpec | None = None,
        data_files_size_in_mb: float | int = 100,
        video_files_size_in_mb: float | int = 200,
        chunks_size: int = 1000,
    ) -> None:
        root = Path(path)
        taken = root.is_file() or (root.is_dir() and any(entry.name != pending.FOLDER for entry in root.iterdir()))
        require(not taken, f"{root} is not empty; append with DatasetWriter.extend, or choose another folder.")
        own = _own_features(features, images_of(images), check_fps(fps))
        info = Info(
            fps=check_fps(fps),
            features=own,
            robot_type=robot_type,
            chunks_size=chunks_size,
            data_files_size_in_mb=float(data_files_size_in_mb),
            video_files_size_in_mb=float(video_files_size_in_mb),
            video_path=VIDEO_PATH if any(feature.dtype == "video" for feature in own.values()) else None,
        )
        period = None if spec is None else float(spec.control_period)
        side = Side(bounds={} if spec is None else bounds_of(spec), control_period=period)
        with pending.refusing_to_write(root):
            root.mkdir(parents=True, exist_ok=True)
        held = _hold(root)
        with _released_on_error(held), pending.refusing_to_write(root):
            write_empty(root, info, side)
            self._begin(root, images_of(images), held)

    @classmethod
    def extend(cls, path: str | Path, images: Images | str | None = None) -> "DatasetWriter":
        """A writer that appends to the v3.0 dataset in ``path``, after merging what a killed writer left finished.

        Pictures go on being stored as they are; ``images`` may change the video codec or its settings. Raises
        `DataError`, and `ConfigError` for images of the other kind.
        """
        root = Path(path)
        read_info(root)
        return resume(root, images, _hold(root))

    def _begin(self, root: Path, images: Images, held: BinaryIO) -> None:
        self.path, self.images, self._held = root, images, held
        self._open = True
        self._load()
        if self._waiting:
            self.flush()

    def _load(self) -> None:
        info = read_info(self.path)
        cameras = [key for key, feature in info.features.items() if feature.dtype == "video"]
        self._waiting = pending.waiting(self.path, info.total_episodes, cameras)
        self.info = info
        # Opening checks the committed part, so that nothing is appended to a damaged dataset.
        self._tasks = list(_open_committed(self.path).tasks)
        self._frames = info.total_frames
        self._bytes = [0, 0]
        for episode in self._waiting:
            self._note(episode)

    def _note(self, episode: pending.PendingEpisode) -> None:
        self._frames += episode.length
        self._bytes[0] += episode.size
        self._bytes[1] += sum(path.stat().st_size for path in episode.videos.values())
        if episode.task not in self._tasks:
            self._tasks.append(episode.task)

    @property
    def num_episodes(self) -> int:
        """Finished episodes, merged or waiting."""
        return self.info.total_episodes + len(self._waiting)

    def append(self, columns: Mapping[str, Any], task: str, ids: Mapping[str, str] | None = None) -> EpisodeIdentity:
        """Append one episode and return its identity; when this returns, the episode survives ``kill -9``.

        ``columns`` holds ``[T, *shape]`` for every feature but the automatic ones (scalars as [T] or [T, 1], cameras
        uint8 [T, H, W, C]); ``ids`` may name session, scene, object, operator, robot. Raises `DataError`, and then
        nothing is written.
        """
        require(self._open, "The writer is closed; make another with DatasetWriter.extend.")
        require(isinstance(task, str) and 0 < len(task) <= 10_000, "An episode needs a task text; describe the task.")
        arrays = self._fitted(columns)
        length = len(next(iter(arrays.values())))
        named = self._named(ids or {})
        index = self.num_episodes
        number = self._tasks.index(task) if task in self._tasks else len(self._tasks)
        arrays |= self._automatic(length, index, number)
        stats = {key: column_stats(feature, arrays[key]) for key, feature in self.info.features.items()}
        with pending.refusing_to_write(self.path):
            videos = self._encode_videos(arrays, index)
            identity = self._identity(arrays, videos, named)
            path = pending.episode_path(self.path, index)
            about = pending.PendingEpisode(index, task, length, identity, stats, path, videos, 0)
            self._waiting.append(pending.finish_episode(self.path, self._table(arrays), about))
        self._note(self._waiting[-1])
        if self._full():
            self.flush()
        return identity

    def _fitted(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        wanted = set(self.info.features) - set(AUTOMATIC)
        if set(columns) != wanted:
            lacking, unknown = sorted(wanted - set(columns)), sorted(set(columns) - wanted)
            raise DataError(
                f"The episode lacks columns {lacking} and has unknown columns {unknown}; match the features."
            )
        arrays = {key: fit(key, self.info.features[key], values) for key, values in columns.items()}
        lengths = {key: len(values) for key, values in arrays.items()}
        require(
            len(set(lengths.values())) == 1, f"The columns have different lengths {lengths}; cut them to one length."
        )
        require(min(lengths.values()) >= 1, "The episode has no rows; drop it.")
        return arrays

    def _named(self, ids: Mapping[str, str]) -> dict[str, str]:
        unknown = sorted(set(ids) - set(IDS))
        require(not unknown, f"Unknown identifiers {unknown}; use {IDS}.")
        robot = {"robot": self.info.robot_type} if self.info.robot_type else {}
        return robot | {key: str(value) for key, value in ids.items()}

    def _automatic(self, length: int, episode: int, task: int) -> dict[str, np.ndarray]:
        frame = np.arange(length, dtype=np.int64)
        return {
            "timestamp": (frame / self.info.fps).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full(length, episode, np.int64),
            "index": self._frames + frame,
            "task_index": np.full(length, task, np.int64),
        }

    def _identity(
        self, arrays: Mapping[str, np.ndarray], videos: Mapping[str, Path], ids: Mapping[str, str]
    ) -> EpisodeIdentity:
        exact = exact_digest({key: arrays[key] for key in identity_keys(self.info.features)})
        motion = motion_sketch(arrays["action"]) if "action" in arrays else ""
        percept = {}
        for key, feature in self.info.features.items():
            if feature.is_camera:
                # Hashing what a reader will decode, not what came in, makes the hash recomputable from the files.
                chosen = keyframes(len(arrays[key]))
                stored = _decoded(videos[key], feature, self.info.fps, chosen) if key in videos else arrays[key][chosen]
                percept[key] = tuple(picture_hash(picture) for picture in stored)
        return EpisodeIdentity(exact, motion, percept, ids)

    def _encode_videos(self, arrays: Mapping[str, np.ndarray], index: int) -> dict[str, Path]:
        videos = {}
        for key, feature in self.info.features.items():
            if feature.dtype == "video" and not isinstance(self.images, Png):
                videos[key] = pending.video_path(self.path, index, key)
                encode_video(videos[key], arrays[key], self.info.fps, self.images)
        return videos

    def _table(self, arrays: Mapping[str, np.ndarray]) -> pa.Table:
        columns = []
        for key, feature in self.info.features.items():
            if feature.dtype == "image":
                level = self.images.level if isinstance(self.images, Png) else 4
                columns.append(to_arrow(feature, [encode_png(picture, level) for picture in arrays[key]]))
            elif feature.dtype != "video":
                columns.append(to_arrow(feature, arrays[key]))
        return pa.Table.from_arrays(columns, schema=data_schema(self.info.features))

    def _full(self) -> bool:
        data = self._bytes[0] >= self.info.data_files_size_in_mb * 2**20
        video = self._bytes[1] >= self.info.video_files_size_in_mb * 2**20
        return data or video or len(self._waiting) >= _MOST_WAITING

    def flush(self) -> None:
        """Merge the episodes that wait into the dataset's files, all or none; readers see them from then on."""
        if self._waiting:
            with pending.refusing_to_write(self.path):
                merge_waiting(_open_committed(self.path), self._waiting, self._tasks)
            self._load()

    def close(self) -> None:
        """Merge what waits and release the dataset."""
        if self._open:
            self._open = False
            try:
                self.flush()
            finally:
                pending.clear(self.path, self._held)

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def resume(root: Path, images: Images | str | None, held: BinaryIO) -> DatasetWriter:
    """A writer on the dataset in ``root`` whose lock is ``held``, after finishing what was cut short."""
    writer = DatasetWriter.__new__(DatasetWriter)
    with _released_on_error(held), pending.refusing_to_write(root):
        pending.finish_commit(root)
        info = read_info(root)
        own = info.codebase_version == "v3.0"
        require(own, f"{root} is in format {info.codebase_version}, which is only read; convert it to v3.0 first.")
        chosen = images_of(images) if images is not None else _images_in(info)
        kinds = {feature.dtype for feature in info.features.values() if feature.is_camera}
        if kinds - {chosen.dtype}:
            raise ConfigError(f"{root} stores pictures as {sorted(kinds)}; append with images that are stored so too.")
        writer._begin(root, chosen, held)
    return writer


def _hold(root: Path) -> BinaryIO:
    held = pending.lock(root)
    if held is None:
        raise DataError(f"Another writer is at work in {root}; wait until it has closed.")
    return held


def _decoded(path: Path, feature: Feature, fps: float, chosen: list[int]) -> list[np.ndarray]:
    reader = VideoReader(path, feature.frame_shape, fps)
    try:
        return [reader.frames(0.0, k, k + 1)[0] for k in chosen]
    finally:
        reader.close()


@contextlib.contextmanager
def _released_on_error(held: BinaryIO) -> Iterator[None]:
    try:
        yield
    except BaseException:
        held.close()
        raise


def _open_committed(root: Path) -> Dataset:
    return Dataset.open(root, merge=False)


def _images_in(info: Info) -> Images:
    kinds = {feature.dtype: feature for feature in info.features.values() if feature.is_camera}
    if "video" not in kinds:
        return Png()
    codec = (kinds["video"].info or {}).get("video.codec", "h264")
    return images_of("av1" if codec == "av1" else "h264") if codec in ("h264", "av1") else H264()


def _own_features(entries: Mapping[str, Feature | Mapping[str, Any]], images: Images, fps: float) -> dict[str, Feature]:
    """The user's features with cameras stored as ``images``, followed by the automatic ones."""
    features = {key: feature for key, feature in parse_features(entries).items() if key not in AUTOMATIC}
    require(features, "A dataset needs at least one feature; give the columns of an episode.")
    texts = sorted(key for key, feature in features.items() if feature.dtype == "string")
    require(not texts, f"Text columns {texts} are only read, not written; put the text into the episode's task.")
    for key, feature in features.items():
        if feature.is_camera:
            features[key] = _camera(feature, images, fps)
    if any(feature.is_camera for feature in features.values()):
        check_encoder(images)
    return features | {key: canonical(key, feature) for key, feature in AUTOMATIC.items()}


def _camera(feature: Feature, images: Images, fps: float) -> Feature:
    height, width, channels = feature.frame_shape
    names = ("height", "width", "channels")
    if images.dtype == "image":
        return Feature("image", (height, width, channels), names)
    even = channels == 3 and height % 2 == 0 and width % 2 == 0
    require(even, f"Video needs 3 channels and even sides, not {feature.frame_shape}; pad the pictures or use Png().")
    facts = {
        "video.height": height,
        "video.width": width,
        "video.codec": images.name,
        "video.pix_fmt": "yuv420p",
        "video.is_depth_map": False,
        "video.fps": fps,
        "video.channels": channels,
        "has_audio": False,
    }
    return replace(feature, dtype="video", shape=(height, width, channels), names=names, info=facts)
