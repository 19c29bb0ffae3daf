"""What survives ``kill -9``: finished episodes wait in ``.pending`` until one commit merges them into the dataset.

An episode is finished when its Parquet file was renamed into ``.pending``. Merging writes every changed file of the
dataset into ``.pending/staged``, then a list of them (the commit, one rename), then moves them to their places.
Whoever opens the dataset next moves the rest, or merges what waits. Nobody sees half an episode.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from diorama.core.errors import DataError
from diorama.data.guard import inside, integer, parse_json, read_json, refusing, require, text
from diorama.data.identity import EpisodeIdentity
from diorama.data.parquet import ParquetReader, write_table
from diorama.data.statistics import NAMES, Stats, from_lists, to_lists

FOLDER = ".pending"
STAGED = ".pending/staged"
_COMMIT = ".pending/commit.json"
_LOCK = ".pending/lock"
_KEY = b"diorama.episode"


@dataclass(frozen=True)
class PendingEpisode:
    """A finished episode that waits: its number, task, length, identity, statistics, files and their bytes."""

    episode: int
    task: str
    length: int
    identity: EpisodeIdentity
    stats: Mapping[str, Stats]
    path: Path
    videos: Mapping[str, Path]
    size: int


@contextlib.contextmanager
def refusing_to_write(root: Path) -> Iterator[None]:
    """Turn failures to write under ``root`` into one `DataError`."""
    try:
        yield
    except OSError as error:
        cause = error.strerror or str(error)
        raise DataError(
            f"{root} cannot be written ({cause}); make room and the folder writable, or copy it."
        ) from error


def lock(root: Path) -> BinaryIO | None:
    """The writer's lock of a dataset, held until the returned file is closed; None where a writer lives."""
    with refusing_to_write(root):
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
        file = (root / _LOCK).open("ab")
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A writer that was closing may have removed the very file that was opened here; then start again.
        if os.fstat(file.fileno()).st_nlink == 0:
            file.close()
            return lock(root)
    except ImportError:  # Windows has no flock; one writer at a time is then the user's promise
        pass
    except OSError:
        file.close()
        return None
    return file


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def episode_path(root: Path, episode: int) -> Path:
    """Where a finished episode waits."""
    return root / FOLDER / f"episode-{episode:09d}.parquet"


def video_path(root: Path, episode: int, key: str) -> Path:
    """Where the video of one camera of a finished episode waits."""
    return root / FOLDER / f"episode-{episode:09d}.{key}.mp4"


def finish_episode(root: Path, table: pa.Table, about: PendingEpisode, size: int | None = None) -> PendingEpisode:
    """Let an episode wait: write its table beside its videos, then rename. Returns it with its size in bytes."""
    note = {
        "episode": about.episode,
        "task": about.task,
        "length": about.length,
        "exact": about.identity.exact,
        "motion": about.identity.motion,
        "percept": {key: list(hashes) for key, hashes in about.identity.percept.items()},
        "ids": dict(about.identity.ids),
        "stats": to_lists(about.stats),
    }
    schema = table.schema.with_metadata({**(table.schema.metadata or {}), _KEY: json.dumps(note).encode()})
    partial = about.path.with_suffix(".partial")
    for video in about.videos.values():
        _sync(video)
    write_table(partial, [table], schema)
    size = partial.stat().st_size
    os.replace(partial, about.path)
    _sync_folder(about.path.parent)
    return PendingEpisode(**{**vars(about), "size": size})


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def waiting(root: Path, first: int, cameras: list[str]) -> list[PendingEpisode]:
    """The finished episodes that wait, numbered from ``first`` on. Raises `DataError` for damaged ones and gaps."""
    with refusing(root / FOLDER):
        found = sorted((root / FOLDER).glob("episode-*.parquet"))
    kept = [path for path in found if _number(path) >= first]
    return [_read(root, path, first + k, cameras) for k, path in enumerate(kept)]


def _number(path: Path) -> int:
    digits = path.name[8:17]
    return int(digits) if digits.isdigit() else -1


def _read(root: Path, path: Path, episode: int, cameras: list[str]) -> PendingEpisode:
    inside(root, f"{FOLDER}/{path.name}")
    reader = ParquetReader(path)
    raw = (reader.file.schema_arrow.metadata or {}).get(_KEY, b"")
    note = parse_json(raw, f"The note in {path}")
    same = integer(note.get("episode"), f"The episode in {path}") == episode == _number(path)
    require(same, f"{path} is not episode {episode}, which the dataset lacks; remove it or restore the one before it.")
    require(reader.rows == note.get("length"), f"{path} has another length than it notes; remove the file.")
    with refusing(path):
        ids = {str(key): str(value) for key, value in note["ids"].items()}
        percept = {str(key): tuple(hashes) for key, hashes in note["percept"].items()}
        identity = EpisodeIdentity(str(note["exact"]), str(note["motion"]), percept, ids)
        stats = from_lists(note["stats"])
        require(all(set(entry) == set(NAMES) for entry in stats.values()), f"{path} lacks statistics; remove the file.")
    videos = {key: video_path(root, episode, key) for key in cameras}
    for video in videos.values():
        require(video.is_file(), f"{video} is missing; restore it or remove {path.name}.")
    reader.close()
    task = text(note.get("task"), f"The task in {path}", 10_000)
    return PendingEpisode(episode, task, reader.rows, identity, stats, path, videos, path.stat().st_size)


def commit(root: Path, names: list[str], episodes: int) -> None:
    """Make the staged files ``names`` the dataset's, all or none, and drop what waited before ``episodes``."""
    for name in names:
        _sync(root / STAGED / name)
    partial = root / f"{_COMMIT}.partial"
    partial.write_text(json.dumps({"names": names, "episodes": episodes}))
    _sync(partial)
    os.replace(partial, root / _COMMIT)
    _sync_folder(root / FOLDER)
    finish_commit(root)


def finish_commit(root: Path) -> None:
    """Move the files of a commit that was cut short, and clean up. Does nothing where there is none."""
    path = root / _COMMIT
    if not path.exists():
        shutil.rmtree(root / STAGED, ignore_errors=True)
        return
    note = read_json(path)
    names, episodes = note.get("names"), integer(note.get("episodes"), f"episodes in {path}")
    require(isinstance(names, list), f"{path} names no files; restore the dataset from a copy.")
    for name in names:
        staged, place = inside(root, f"{STAGED}/{name}"), inside(root, text(name, f"A name in {path}"))
        if staged.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staged, place)
            _sync_folder(place.parent)
    for waited in (root / FOLDER).glob("episode-*"):
        if _number(waited) < episodes:
            waited.unlink()
    path.unlink()
    shutil.rmtree(root / STAGED, ignore_errors=True)


def settle(root: Path) -> None:
    """Before reading: finish what a killed writer left; leave a living writer alone. Raises `DataError`."""
    folder = root / FOLDER
    if not folder.is_dir():
        return
    inside(root, FOLDER)
    unfinished = (root / _COMMIT).exists() or any(folder.glob("episode-*.parquet"))
    if not unfinished and not os.access(folder, os.W_OK):
        return
    held = lock(root)
    if held is None:
        _await_commit(root)
    elif unfinished:
        from diorama.data.writer import resume

        resume(root, None, held).close()
    else:
        clear(root, held)


def _await_commit(root: Path, patience: float = 5.0) -> None:
    """A living writer moves a few files in an instant: wait for that [s]."""
    end = time.monotonic() + patience
    while (root / _COMMIT).exists() and time.monotonic() < end:
        time.sleep(0.01)


def clear(root: Path, held: Any) -> None:
    """Release the lock, drop what an unfinished episode left, and remove the folder where nothing waits in it."""
    with contextlib.suppress(OSError):
        for path in (root / FOLDER).iterdir():
            half = path.name.endswith(".mp4") and not episode_path(root, _number(path)).exists()
            if half or path.suffix == ".partial":
                path.unlink()
        if not (root / _COMMIT).exists():
            shutil.rmtree(root / STAGED, ignore_errors=True)
        (root / _LOCK).unlink()
    held.close()
    with contextlib.suppress(OSError):
        (root / FOLDER).rmdir()
