"""Format v2.1, read only: one Parquet file and one MP4 per episode, metadata as JSON lines."""

from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.errors import DataError
from diorama.data.episodes import EpisodeTable, VideoPlaces, check_counts, rows_in_files
from diorama.data.guard import inside, integer, read_json_lines, refusing, require, text
from diorama.data.info import Info
from diorama.data.parquet import order_tasks
from diorama.data.statistics import Stats, from_lists

EPISODES, TASKS, STATS = "meta/episodes.jsonl", "meta/tasks.jsonl", "meta/episodes_stats.jsonl"


def read_episodes_v21(root: Path, info: Info) -> EpisodeTable:
    """The episodes of a v2.1 dataset. Raises `DataError` for wrong counts, gaps and references to nothing."""
    entries = read_json_lines(inside(root, EPISODES))
    for k, entry in enumerate(entries):
        index = integer(entry.get("episode_index"), f"episode_index in line {k + 1} of {EPISODES}")
        require(index == k, f"{EPISODES} names episode {index} in line {k + 1}; number episodes from 0 on.")
    what = f"An episode's length in {EPISODES}"
    lengths = np.array([integer(entry.get("length"), what, 1, 2**40) for entry in entries], np.int64)
    tasks = [_tasks(entry) for entry in entries]
    names = _names(root)
    starts = check_counts(info, lengths, tasks, names)
    files = [_path(root, info, info.data_path, k, None) for k in range(len(entries))]
    origins = np.zeros(len(entries))
    cameras = [key for key, feature in info.features.items() if feature.dtype == "video"]
    videos = {
        key: VideoPlaces([_path(root, info, str(info.video_path), k, key) for k in range(len(entries))], origins)
        for key in cameras
    }
    return EpisodeTable(lengths, starts, rows_in_files(files, lengths), files, tasks, names, videos)


def _tasks(entry: dict[str, Any]) -> list[str]:
    tasks = entry.get("tasks")
    require(isinstance(tasks, list) and tasks, f"An episode in {EPISODES} has no list of tasks; add its task.")
    return [text(task, f"A task in {EPISODES}", 10_000) for task in tasks]


def _names(root: Path) -> list[str]:
    path = inside(root, TASKS)
    lines = read_json_lines(path)
    indices = [integer(line.get("task_index"), f"task_index in {TASKS}") for line in lines]
    texts = [text(line.get("task"), f"A task in {TASKS}", 10_000) for line in lines]
    return order_tasks(dict(zip(indices, texts, strict=True)), len(lines), path)


def _path(root: Path, info: Info, template: str, episode: int, key: str | None) -> str:
    chunk = episode // info.chunks_size
    with refusing(f"The path template {template!r}"):
        name = template.format(episode_chunk=chunk, episode_index=episode, video_key=key)
    inside(root, name)
    return name


def read_stats_v21(root: Path, info: Info) -> list[dict[str, Stats]]:
    """Per episode, the statistics in ``meta/episodes_stats.jsonl`` (without quantiles). Raises `DataError`."""
    path = inside(root, STATS)
    lines = read_json_lines(path)
    with refusing(path):
        found = {line["episode_index"]: from_lists(line["stats"]) for line in lines}
    if sorted(found) != list(range(info.total_episodes)):
        raise DataError(
            f"{path} does not hold the statistics of {info.total_episodes} episodes; restore it from a copy."
        )
    return [found[k] for k in range(info.total_episodes)]
