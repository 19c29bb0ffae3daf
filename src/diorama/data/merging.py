"""Merging finished episodes into the files of a dataset: every changed file is staged, then committed as one."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from diorama.data.dataset import Dataset
from diorama.data.features import Feature
from diorama.data.guard import inside, refusing
from diorama.data.info import EPISODES_PATH, Info
from diorama.data.parquet import ParquetReader, data_schema, tasks_table, write_table
from diorama.data.pending import STAGED, PendingEpisode, commit
from diorama.data.sealing import dataset_files
from diorama.data.side import SIDE_FILE, Side, file_digest
from diorama.data.statistics import NAMES, Stats, column_stats, merge_all, stats_shape, to_lists
from diorama.data.video import join_videos, stream_header

Place = tuple[int, int]
_INFO, _TASKS, _STATS = "meta/info.json", "meta/tasks.parquet", "meta/stats.json"


class _Stage:
    """Files on their way into the dataset."""

    def __init__(self, root: Path) -> None:
        self.folder, self.names = root / STAGED, []
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name: str) -> Path:
        """Where to write the file that becomes ``name``."""
        place = inside(self.folder, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        self.names.append(name)
        return place

    def json(self, name: str, body: Mapping[str, Any]) -> None:
        self.path(name).write_text(json.dumps(body, indent=4, allow_nan=False))

    def digests(self) -> dict[str, str]:
        return {name: file_digest(self.folder / name) for name in self.names}


def write_empty(root: Path, info: Info, side: Side) -> None:
    """A dataset without episodes, in an empty folder whose lock is held."""
    stage = _Stage(root)
    stage.json(_INFO, info.to_json())
    sealed = replace(side, files=stage.digests())
    stage.path(SIDE_FILE).write_bytes(sealed.to_bytes())
    commit(root, stage.names, 0)


def merge_waiting(dataset: Dataset, waiting: Sequence[PendingEpisode], tasks: Sequence[str]) -> None:
    """Merge the episodes that wait behind those of ``dataset``, whose lock is held; ``tasks`` are all task texts."""
    root, info = dataset.path, dataset.info
    stage = _Stage(root)
    places: dict[str, list[Place]] = {"data": _merge_data(dataset, stage, waiting)}
    origins: dict[str, list[float]] = {}
    for key, feature in info.features.items():
        if feature.dtype == "video":
            places[f"videos/{key}"], origins[key] = _merge_videos(dataset, stage, waiting, key)
    _merge_rows(dataset, stage, waiting, places, origins)
    write_table(stage.path(_TASKS), [tasks_table(tasks)], tasks_table(tasks).schema)
    total = {} if not dataset.num_episodes else _joinable(dataset)
    for episode in waiting:
        known = {key: stats for key, stats in episode.stats.items() if key in total or not dataset.num_episodes}
        total = total | merge_all({key: total[key] for key in known if key in total}, known)
    stage.json(_STATS, to_lists(total))
    count = dataset.num_episodes + len(waiting)
    frames = dataset.num_frames + sum(episode.length for episode in waiting)
    grown = replace(info, total_episodes=count, total_frames=frames, total_tasks=len(tasks))
    stage.json(_INFO, grown.to_json())
    _merge_side(dataset, stage, waiting)
    commit(root, stage.names, count)


def _joinable(dataset: Dataset) -> dict[str, Stats]:
    """The dataset's statistics, counted anew where those of new episodes could not join them: incomplete, odd shape."""
    found = {}
    for key, stats in dataset.stats.items():
        feature = dataset.info.features.get(key)
        if feature is None or _has_shape(stats, stats_shape(feature)):
            found[key] = stats
        elif not feature.is_camera and feature.dtype != "string":
            found[key] = column_stats(feature, dataset.column(key))
    return found


def _has_shape(stats: Stats, shape: tuple[int, ...]) -> bool:
    whole = all(np.shape(stats[name]) == shape for name in stats if name != "count")
    return whole and {"min", "max", "mean", "std", "count"} <= stats.keys()


def _merge_side(dataset: Dataset, stage: _Stage, waiting: Sequence[PendingEpisode]) -> None:
    side = dataset.side or Side(files={name: file_digest(dataset.path / name) for name in dataset_files(dataset)})
    episodes = [*dataset.identities, *(episode.identity for episode in waiting)]
    sealed = replace(side, episodes=episodes, files={**side.files, **stage.digests()})
    stage.path(SIDE_FILE).write_bytes(sealed.to_bytes())


def _plan(info: Info, known: np.ndarray | None, open_bytes: int, sizes: Sequence[int], limit: float) -> list[Place]:
    """A (chunk, file) for each new episode: the last file while it stays below ``limit`` [MiB], then new ones."""
    current = tuple(known[-1].tolist()) if known is not None and len(known) else None
    highest = max(map(tuple, known.tolist())) if known is not None and len(known) else None
    used, plan = open_bytes, []
    for size in sizes:
        if current is None or used + size > limit * 2**20:
            current = (0, 0) if highest is None else _next(highest, info.chunks_size)
            highest, used = current, 0
        used += size
        plan.append(current)
    return plan


def _next(place: Place, chunks_size: int) -> Place:
    chunk, file = place
    return (chunk, file + 1) if file + 1 < chunks_size else (chunk + 1, 0)


def _by_place(plan: Sequence[Place], episodes: Sequence[PendingEpisode]) -> dict[Place, list[PendingEpisode]]:
    groups: dict[Place, list[PendingEpisode]] = {}
    for place, episode in zip(plan, episodes, strict=True):
        groups.setdefault(place, []).append(episode)
    return groups


def _row_groups(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    reader = ParquetReader(path)
    with refusing(path):
        for k in range(reader.file.num_row_groups):
            yield reader.file.read_row_group(k, columns=schema.names, use_threads=False)
    reader.close()


def _merge_data(dataset: Dataset, stage: _Stage, waiting: Sequence[PendingEpisode]) -> list[Place]:
    info, schema = dataset.info, data_schema(dataset.info.features)
    open_file = dataset.table.files[-1] if dataset.num_episodes else None
    full = int(info.data_files_size_in_mb * 2**20) + 1
    used = full
    if open_file is not None and _same_schema(dataset.path / open_file, schema):
        dataset.verify(open_file)
        used = (dataset.path / open_file).stat().st_size
    sizes = [episode.size for episode in waiting]
    plan = _plan(info, dataset.table.places.get("data"), used, sizes, info.data_files_size_in_mb)
    for (chunk, file), episodes in _by_place(plan, waiting).items():
        name = info.data_path.format(chunk_index=chunk, file_index=file)
        sources = [dataset.path / name] if name == open_file else []
        sources += [episode.path for episode in episodes]
        write_table(stage.path(name), (group for source in sources for group in _row_groups(source, schema)), schema)
    return plan


def _same_schema(path: Path, schema: pa.Schema) -> bool:
    reader = ParquetReader(path)
    same = reader.file.schema_arrow.remove_metadata().equals(schema.remove_metadata())
    reader.close()
    return same


def _merge_videos(
    dataset: Dataset, stage: _Stage, waiting: Sequence[PendingEpisode], key: str
) -> tuple[list[Place], list[float]]:
    info, known = dataset.info, dataset.table.places.get(f"videos/{key}")
    places = dataset.table.videos[key]
    open_file = places.files[-1] if len(places.files) else None
    used, frames = int(info.video_files_size_in_mb * 2**20) + 1, 0
    # Joined files share one decoder set-up; other settings (another quality preset, say) begin a new file.
    if open_file is not None and stream_header(dataset.path / open_file) == stream_header(waiting[0].videos[key]):
        dataset.verify(open_file)
        used = (dataset.path / open_file).stat().st_size
        inside_file = [k for k, name in enumerate(places.files) if name == open_file]
        frames = max(round(float(places.origins[k]) * info.fps) + int(dataset.lengths[k]) for k in inside_file)
    sizes = [episode.videos[key].stat().st_size for episode in waiting]
    plan = _plan(info, known, used, sizes, info.video_files_size_in_mb)
    origins = []
    for (chunk, file), episodes in _by_place(plan, waiting).items():
        name = str(info.video_path).format(video_key=key, chunk_index=chunk, file_index=file)
        parts = [(dataset.path / name, frames)] if name == open_file else []
        before = sum(length for _, length in parts)
        for episode in episodes:
            parts.append((episode.videos[key], episode.length))
            origins.append(before / info.fps)
            before += episode.length
        join_videos(stage.path(name), parts, info.fps)
    return plan, origins


def _merge_rows(
    dataset: Dataset,
    stage: _Stage,
    waiting: Sequence[PendingEpisode],
    places: Mapping[str, Sequence[Place]],
    origins: Mapping[str, Sequence[float]],
) -> None:
    """Write the rows of ``meta/episodes``: into its last file where that is possible, else into a new one."""
    info = dataset.info
    schema = _rows_schema(info.features)
    last = dataset.table.meta_files[-1] if dataset.num_episodes else None
    place, old = (0, 0), []
    if last is not None:
        dataset.verify(last)
        chunk, file = (int(part.rpartition("-")[2].split(".")[0]) for part in last.split("/")[-2:])
        room = (dataset.path / last).stat().st_size < info.data_files_size_in_mb * 2**20
        if room and _same_schema(dataset.path / last, schema):
            place, old = (chunk, file), list(_row_groups(dataset.path / last, schema))
        else:
            place = _next((chunk, file), info.chunks_size)
    start, rows = dataset.num_frames, []
    for k, episode in enumerate(waiting):
        own_places = {key: plan[k] for key, plan in places.items()}
        rows.append(
            _row(episode, start, own_places, {key: times[k] for key, times in origins.items()}, info.fps, place)
        )
        start += episode.length
    table = pa.concat_tables([*old, pa.Table.from_pylist(rows, schema=schema)]).combine_chunks()
    write_table(stage.path(EPISODES_PATH.format(chunk_index=place[0], file_index=place[1])), [table], schema)


def _rows_schema(features: Mapping[str, Feature]) -> pa.Schema:
    counter, number = pa.int64(), pa.float64()
    head = ["data/chunk_index", "data/file_index", "dataset_from_index", "dataset_to_index"]
    fields = [("episode_index", counter), ("tasks", pa.list_(pa.string())), ("length", counter)]
    fields += [(name, counter) for name in head]
    for key, feature in features.items():
        if feature.dtype == "video":
            fields += [(f"videos/{key}/{name}", counter) for name in ("chunk_index", "file_index")]
            fields += [(f"videos/{key}/{name}", number) for name in ("from_timestamp", "to_timestamp")]
    for key, feature in features.items():
        depth = len(stats_shape(feature))
        for name in NAMES:
            kind = counter if name == "count" else number
            for _ in range(1 if name == "count" else depth):
                kind = pa.list_(kind)
            fields.append((f"stats/{key}/{name}", kind))
    fields += [("meta/episodes/chunk_index", counter), ("meta/episodes/file_index", counter)]
    return pa.schema(fields)


def _row(
    episode: PendingEpisode,
    start: int,
    places: Mapping[str, Place],
    origins: Mapping[str, float],
    fps: float,
    own: Place,
) -> dict[str, Any]:
    row: dict[str, Any] = {"episode_index": episode.episode, "tasks": [episode.task], "length": episode.length}
    row |= {"dataset_from_index": start, "dataset_to_index": start + episode.length}
    for prefix, (chunk, file) in {**places, "meta/episodes": own}.items():
        row |= {f"{prefix}/chunk_index": chunk, f"{prefix}/file_index": file}
    for key, origin in origins.items():
        row[f"videos/{key}/from_timestamp"] = origin
        row[f"videos/{key}/to_timestamp"] = origin + episode.length / fps
    for key, stats in episode.stats.items():
        row |= {f"stats/{key}/{name}": value.tolist() for name, value in stats.items()}
    return row
