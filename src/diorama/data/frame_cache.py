"""Decoded camera frames as one memory-mapped array for each camera, built on first use.

Video is the right thing to store and to send; decoded frames are the right thing to train from. The cache is raw uint8
in ``.npy`` format, ``[num_frames, H, W, C]``, beside a small JSON file that is written last and makes it valid. It can
be deleted at any time.

A cache belongs to one version of the dataset and to its picture files (name, size and time of change), because the
version says nothing about pictures. An outdated cache of the same camera is removed when its successor is complete.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diorama.core.errors import DataError
from diorama.data.features import parse_features
from diorama.data.source import EpisodeSource

CHECKED_BYTES = 256 * 1024**2
"""How much of a cache is compared with its checksums at each opening (evenly spread episodes): all of a small cache."""


@dataclass(frozen=True)
class FrameCache:
    """Where decoded frames are kept, and whether building them is announced.

    ``directory``: a folder, or None for ``.cache/frames`` inside the dataset's own folder, falling back to the user's
    cache folder where the dataset is read-only. ``quiet`` silences the size and the progress bar on stderr.
    """

    directory: str | Path | None = None
    quiet: bool = False

    def open(self, source: EpisodeSource, key: str) -> np.ndarray:
        """All frames of camera ``key`` as a read-only memory map, uint8 ``[num_frames, H, W, C]``.

        Builds the cache where there is none or where it is partial, corrupted or of another version of the dataset.
        Raises `DataError` where the disk is too full or the frames do not have the shape that the dataset promises.
        """
        shape = _shape(source, key)
        camera, version = _names(source, key)
        path = self._home(source) / f"{camera}-{version}.npy"
        if not _valid(path, shape, source):
            self._build(source, key, shape, path)
            for old in {*path.parent.glob(f"{camera}-*.npy"), *path.parent.glob(f"{camera}-*.json")}:
                if old not in (path, _sidecar(path)):
                    with contextlib.suppress(OSError):
                        old.unlink()
        return np.load(path, mmap_mode="r")

    def bytes_needed(self, source: EpisodeSource, key: str) -> int:
        """Size [B] of the decoded frames of camera ``key``."""
        return int(np.prod(_shape(source, key), dtype=np.int64))

    def _home(self, source: EpisodeSource) -> Path:
        if self.directory is not None:
            return _writable(Path(self.directory)) or _refuse(Path(self.directory))
        user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diorama" / "frames"
        return _writable(Path(source.path) / ".cache" / "frames") or _writable(user) or _refuse(user)

    def _build(self, source: EpisodeSource, key: str, shape: tuple[int, ...], path: Path) -> None:
        size = self.bytes_needed(source, key)
        free = shutil.disk_usage(path.parent).free
        if size > free:
            raise DataError(
                f"The decoded frames of {key} need {_human(size)}, {path.parent} has {_human(free)} free; "
                "give FrameCache(directory=...) on a larger disk."
            )
        with _replacing(path) as partial:
            with _progress(f"Decoding {key}: {_human(size)} to {path.parent}", len(source.lengths), self.quiet) as step:
                checksums = _decode(source, key, shape, partial, step)
        with _replacing(_sidecar(path)) as partial:
            partial.write_text(json.dumps({"key": key, "shape": list(shape), "crc32": checksums}))


def _decode(source: EpisodeSource, key: str, shape: tuple[int, ...], path: Path, step: Callable[[], None]) -> list[int]:
    """Write the frames of all episodes in order to ``path``; the CRC-32 of each episode."""
    checksums = []
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for episode, length in enumerate(source.lengths):
            frames = np.ascontiguousarray(source.frames(key, episode))
            if frames.dtype != np.uint8 or frames.shape != (int(length), *shape[1:]):
                raise DataError(
                    f"Episode {episode} of {key} decodes to {frames.dtype} {frames.shape}, the dataset says uint8 "
                    f"{(int(length), *shape[1:])}; the video and the table do not belong together."
                )
            checksums.append(zlib.crc32(frames))
            file.write(frames.data)
            step()
        file.flush()
        os.fsync(file.fileno())
    return checksums


def _valid(path: Path, shape: tuple[int, ...], source: EpisodeSource) -> bool:
    """Whether the cache at ``path`` is whole: header, size, and checksums of up to `CHECKED_BYTES` of it."""
    try:
        facts = json.loads(_sidecar(path).read_text())
        frames = np.load(path, mmap_mode="r", allow_pickle=False)
        checksums = [int(value) for value in facts["crc32"]]
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return False
    if frames.dtype != np.uint8 or frames.shape != shape or len(checksums) != len(source.lengths):
        return False
    starts, lengths = np.asarray(source.starts), np.asarray(source.lengths)
    stride = max(1, -(-frames.nbytes // CHECKED_BYTES))
    checked = {*range(0, len(lengths), stride), len(lengths) - 1}
    return all(zlib.crc32(frames[starts[e] : starts[e] + lengths[e]]) == checksums[e] for e in checked)


def _shape(source: EpisodeSource, key: str) -> tuple[int, ...]:
    if key not in source.camera_keys:
        raise DataError(f"{key!r} is no camera of this dataset; its cameras are {sorted(source.camera_keys)}.")
    return (int(np.sum(source.lengths)), *parse_features({key: source.features[key]})[key].frame_shape)


def _names(source: EpisodeSource, key: str) -> tuple[str, str]:
    """A name for this camera of the dataset in this folder, and one for its present content."""
    folder = Path(source.path).resolve()
    files = sorted(path for top in ("data", "videos") for path in (folder / top).rglob("*") if path.is_file())
    facts = [(path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return _digest([str(folder), key]), _digest([str(source.identity), facts])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _sidecar(path: Path) -> Path:
    return path.with_suffix(".json")


def _writable(folder: Path) -> Path | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


def _refuse(folder: Path) -> Path:
    raise DataError(f"Decoded frames cannot be written to {folder}; give FrameCache(directory=...) a writable folder.")


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A path to write to that takes the place of ``path`` in one step when the block ends well, else is removed."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(handle)
    try:
        yield Path(name)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def _progress(text: str, total: int, quiet: bool) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True, quiet=quiet)
    console.print(text, soft_wrap=True, markup=False, highlight=False)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("Decoding", total=total)
        yield lambda: bar.advance(task)


def _human(size: int) -> str:
    return f"{size / 1024**3:.2f} GiB" if size >= 1024**3 else f"{size / 1024**2:.1f} MiB"
