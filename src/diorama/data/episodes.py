"""The table of episodes: where each one's rows and frames lie. Read from format v3.0 here, from v2.1 in ``v21``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from diorama.core.errors import DataError
from diorama.data.features import Feature
from diorama.data.guard import inside, refusing, require
from diorama.data.info import Info
from diorama.data.parquet import ParquetReader, read_tasks
from diorama.data.statistics import Stats

_COUNTER = Feature("int64", ())
_TIME = Feature("float64", ())


@dataclass(frozen=True)
class VideoPlaces:
    """For one camera: the file of each episode and the time in it at which the episode begins [s]."""

    files: Sequence[str]
    origins: np.ndarray


@dataclass(frozen=True)
class EpisodeTable:
    """E episodes: rows of each, first row of each, tasks, data file and row in it, and the same for each video camera.

    ``lengths``, ``starts`` and ``rows`` (first row inside the data file) are int64 [E]; ``names`` are all task texts
    by ``task_index``; ``meta_files`` are the files (and rows) that hold the statistics of each episode;
    ``places`` are (chunk, file) int64 [E, 2] of ``data`` and of ``videos/<camera>`` where the format numbers files.
    """

    lengths: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    files: Sequence[str]
    tasks: Sequence[Sequence[str]]
    names: Sequence[str]
    videos: Mapping[str, VideoPlaces] = field(default_factory=dict)
    meta_files: Sequence[str] = ()
    places: Mapping[str, np.ndarray] = field(default_factory=dict)

    def owners(self) -> dict[str, list[int]]:
        """The episodes in each data file."""
        found: dict[str, list[int]] = {}
        for episode, name in enumerate(self.files):
            found.setdefault(name, []).append(episode)
        return found


def rows_in_files(files: Sequence[str], lengths: np.ndarray) -> np.ndarray:
    """First row of each episode inside its file, where episodes lie in their files one after another."""
    used: dict[str, int] = {}
    rows = np.zeros(len(files), np.int64)
    for k, (name, length) in enumerate(zip(files, lengths.tolist(), strict=True)):
        rows[k] = used.get(name, 0)
        used[name] = int(rows[k]) + length
    return rows


def check_counts(info: Info, lengths: np.ndarray, tasks: Sequence[Sequence[str]], names: Sequence[str]) -> np.ndarray:
    """The first rows [E] of the episodes; raises `DataError` where counts contradict ``info.json``."""
    require(len(lengths) == info.total_episodes, _contradiction("total_episodes", info.total_episodes, len(lengths)))
    require((lengths >= 1).all(), "An episode has length 0 or less; remove it from the dataset.")
    require((lengths <= info.total_frames).all(), "An episode is longer than the whole dataset; restore the metadata.")
    require(int(lengths.sum()) == info.total_frames, _contradiction("total_frames", info.total_frames, lengths.sum()))
    require(len(names) == info.total_tasks, _contradiction("total_tasks", info.total_tasks, len(names)))
    unknown = {task for listed in tasks for task in listed} - set(names)
    require(not unknown, f"Episodes refer to tasks {sorted(unknown)[:3]} that the task table lacks; add them there.")
    return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if len(lengths) else lengths


def _contradiction(name: str, said: int, found: Any) -> str:
    return f"info.json says {name} = {said}, the metadata hold {found}; restore the one that is wrong."


def numbered_files(root: Path, folder: str) -> list[str]:
    """Relative paths of the ``chunk-*/file-*.parquet`` files under ``folder``, in order. Raises `DataError`."""
    with refusing(root / folder):
        paths = sorted(inside(root, folder).glob("chunk-*/file-*.parquet"), key=lambda p: (len(p.parent.name), str(p)))
        return [path.relative_to(root).as_posix() for path in paths]


def read_episodes(root: Path, info: Info) -> EpisodeTable:
    """The episodes of a v3.0 dataset from ``meta/episodes`` and ``meta/tasks.parquet``. Raises `DataError`."""
    cameras = [key for key, feature in info.features.items() if feature.dtype == "video"]
    wanted = ["episode_index", "length", "dataset_from_index", "dataset_to_index", *_place("data")]
    wanted += [name for key in cameras for name in _place(f"videos/{key}")]
    times = [f"videos/{key}/{side}_timestamp" for key in cameras for side in ("from", "to")]
    meta_files = numbered_files(root, "meta/episodes") if info.total_episodes else []
    parts = [_read_rows(inside(root, name), wanted, times) for name in meta_files]
    empty = np.zeros(0, np.int64)
    columns = {name: np.concatenate([part[name] for part in parts]) if parts else empty for name in (*wanted, *times)}
    tasks = [listed for part in parts for listed in part["tasks"]]
    names = read_tasks(inside(root, "meta/tasks.parquet")) if (root / "meta/tasks.parquet").exists() else []
    starts = check_counts(info, columns["length"], tasks, names)
    _check_places(info, columns, starts, cameras)
    files = _paths(root, info.data_path, columns, "data", None)
    videos = {}
    for key in cameras:
        origins = columns[f"videos/{key}/from_timestamp"]
        videos[key] = VideoPlaces(_paths(root, str(info.video_path), columns, f"videos/{key}", key), origins)
    owners = [name for name, part in zip(meta_files, parts, strict=True) for _ in part["tasks"]]
    lengths = columns["length"]
    places = {
        prefix: np.stack([columns[name] for name in _place(prefix)], axis=1)
        for prefix in ("data", *(f"videos/{key}" for key in cameras))
    }
    return EpisodeTable(lengths, starts, rows_in_files(files, lengths), files, tasks, names, videos, owners, places)


def _place(prefix: str) -> list[str]:
    return [f"{prefix}/chunk_index", f"{prefix}/file_index"]


def _read_rows(path: Path, counters: Sequence[str], times: Sequence[str]) -> dict[str, Any]:
    reader = ParquetReader(path)
    found: dict[str, Any] = {name: reader.column(name, _COUNTER) for name in counters}
    found |= {name: reader.column(name, _TIME) for name in times}
    with refusing(f"Column 'tasks' in {path}"):
        tasks = reader.table(["tasks"]).column(0)
        lists = pa.types.is_list(tasks.type) or pa.types.is_large_list(tasks.type)
        texts = lists and str(tasks.type.value_type) in ("string", "large_string")
        require(texts, f"Column 'tasks' in {path} does not hold lists of texts; restore the file.")
        found["tasks"] = tasks.to_pylist()
    require(all(listed and None not in listed for listed in found["tasks"]), f"{path} has an episode without a task.")
    reader.close()
    return found


def _check_places(info: Info, columns: Mapping[str, np.ndarray], starts: np.ndarray, cameras: Sequence[str]) -> None:
    count, lengths = len(starts), columns["length"]
    ordered = (columns["episode_index"] == np.arange(count)).all()
    require(ordered, "episode_index in meta/episodes does not count from 0 in steps of 1; restore the metadata.")
    spans = (columns["dataset_from_index"] == starts).all() and (columns["dataset_to_index"] == starts + lengths).all()
    require(spans, "dataset_from_index and dataset_to_index in meta/episodes contradict the lengths; restore them.")
    for name in columns:
        if name.endswith(("chunk_index", "file_index")):
            good = ((columns[name] >= 0) & (columns[name] < 10**6)).all()
            require(good, f"{name} in meta/episodes is negative or absurdly large; restore the metadata.")
    for key in cameras:
        begin, end = columns[f"videos/{key}/from_timestamp"], columns[f"videos/{key}/to_timestamp"]
        fits = (begin >= 0).all() and (np.abs((end - begin) * info.fps - lengths) < 0.5).all()
        require(fits, f"Video times of {key!r} in meta/episodes contradict the lengths; restore the metadata.")


def _paths(root: Path, template: str, columns: Mapping[str, np.ndarray], prefix: str, key: str | None) -> list[str]:
    chunks, files = (columns[name].tolist() for name in _place(prefix))
    with refusing(f"The path template {template!r}"):
        places = zip(chunks, files, strict=True)
        names = [template.format(chunk_index=chunk, file_index=file, video_key=key) for chunk, file in places]
    for name in set(names):
        inside(root, name)
    return names


def read_episode_stats(root: Path, table: EpisodeTable, episode: int) -> dict[str, Stats]:
    """The statistics that ``meta/episodes`` holds of one episode; {} where it holds none. Raises `DataError`."""
    name = table.meta_files[episode]
    reader = ParquetReader(inside(root, name))
    columns = sorted(column for column in reader.names if column.startswith("stats/"))
    row = episode - list(table.meta_files).index(name)
    values = reader.table(columns, row, row + 1)
    stats: dict[str, Stats] = {}
    with refusing(name):
        for column in columns:
            key, _, stat = column.removeprefix("stats/").rpartition("/")
            stats.setdefault(key, {})[stat] = np.asarray(values[column][0].as_py())
    return stats


def check_index_columns(
    columns: Mapping[str, np.ndarray], table: EpisodeTable, own: Sequence[int], fps: float, file: str
) -> None:
    """Raise `DataError` where counters or times of one data file contradict the table; ``own`` are its episodes."""
    lengths = table.lengths[list(own)]
    frame = np.concatenate([np.arange(length) for length in lengths.tolist()])
    expected = {
        "episode_index": np.repeat(np.array(own, np.int64), lengths),
        "frame_index": frame,
        "index": np.repeat(table.starts[own], lengths) + frame,
    }
    for name, values in expected.items():
        if not np.array_equal(columns[name], values):
            raise DataError(f"Column {name!r} in {file} does not count as the metadata say; restore the file.")
    task = columns["task_index"]
    known = ((task >= 0) & (task < len(table.names))).all()
    require(known, f"Column 'task_index' in {file} refers to tasks that do not exist; restore the file.")
    stops = np.cumsum(lengths).tolist()
    for k, start, stop in zip(own, [0, *stops[:-1]], stops, strict=True):
        own_tasks = {table.names[number] for number in np.unique(task[start:stop]).tolist()}
        require(
            own_tasks <= set(table.tasks[k]), f"Rows of episode {k} have another task than the metadata; restore it."
        )
    # LeRobot's tolerance is 1e-4 s; float32 itself is coarser than that after some minutes.
    slack = 1e-4 + 2 * np.spacing(np.float32(frame.max(initial=0) / fps))
    late = np.abs(columns["timestamp"] - frame / fps) > slack
    require(not late.any(), f"Column 'timestamp' in {file} is not frame_index / fps; restore the file or correct fps.")
