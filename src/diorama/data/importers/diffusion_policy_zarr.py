"""Zarr stores of Diffusion Policy and UMI: ``data/*`` with all rows, ``meta/episode_ends`` with the cuts.

Source: Chi et al., "Diffusion Policy", RSS 2023 (``replay_buffer`` layout). Nothing in a store is executed: arrays of
objects and codecs outside a short list of compressors are refused unread.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.errors import DataError
from diorama.data.importers.recording import (
    Episode,
    Format,
    Recording,
    check_episode_size,
    check_rows,
    column_name,
    extra,
    feature_of,
    reading,
    to_column,
)

CODECS = {"blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma", "delta", "shuffle", "bytes", "crc32c", "transpose"}
"""Codecs that only compress or reorder bytes."""


class DiffusionPolicyZarr(Format):
    """``*.zarr`` folders and ``*.zarr.zip`` files."""

    name = "diffusion-policy-zarr"

    def detects(self, path: Path) -> bool:
        """A folder with Zarr metadata and ``meta/episode_ends``, or a file named ``*.zarr.zip``."""
        marks = (".zgroup", "zarr.json")
        folder = path.is_dir() and (path / "meta" / "episode_ends").is_dir() and any((path / m).exists() for m in marks)
        return folder or (path.is_file() and path.name.endswith(".zarr.zip"))

    @contextlib.contextmanager
    def open(self, path: Path) -> Iterator[Recording]:
        """``state``, ``img`` and others become ``observation.*``; the format records no rate, so ``fps`` is None."""
        zarr = extra("zarr", "Reading a Zarr store")
        with reading(path):
            store = zarr.storage.ZipStore(path, mode="r") if path.is_file() else path
            root = zarr.open_group(store, mode="r")
            ends = _ends(root, path)
            arrays = _arrays(root, path, int(ends[-1]))
        columns = {key: column_name(key, array.shape[1:], path) for key, array in arrays.items()}
        features = {columns[key]: feature_of(a.shape[1:], a.dtype) for key, a in arrays.items()}
        if "action" not in features or len(features) < 2 or len(set(columns.values())) < len(columns):
            raise DataError(
                f"{path} has arrays {sorted(arrays)} in data; an action and differently named others are needed."
            )

        def episodes() -> Iterator[Episode]:
            for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
                with reading(path):
                    rows = {columns[key]: array[start:end] for key, array in arrays.items()}
                cast = {name: to_column(np.asarray(v), features[name], name, path) for name, v in rows.items()}
                yield Episode(cast, "", f"{path.name}#{number}")

        yield Recording(features, None, len(ends), episodes)


def _ends(root: Any, path: Path) -> np.ndarray:
    array = root["meta/episode_ends"]
    _check_codecs(array, "episode_ends", path)
    if array.dtype.kind not in "iu" or array.ndim != 1 or not 0 < array.shape[0] <= 10**8:
        raise DataError(f"{path}: meta/episode_ends has {array.dtype} {array.shape}; a list of row numbers is needed.")
    ends = np.asarray(array[:], np.int64)
    if ends[0] < 1 or (np.diff(ends) < 1).any():
        raise DataError(f"{path}: meta/episode_ends does not increase; the file is inconsistent.")
    return ends


def _arrays(root: Any, path: Path, rows: int) -> dict[str, Any]:
    arrays = dict(root["data"].arrays())
    longest = float(np.diff(np.asarray(root["meta/episode_ends"][:], np.int64), prepend=0).max())
    for key, array in arrays.items():
        _check_codecs(array, key, path)
        check_rows(key, array.shape, array.dtype, path, rows)
        check_episode_size(array.dtype.itemsize * float(np.prod(array.chunks, dtype=np.float64)), path)
        check_episode_size(longest * array.dtype.itemsize * float(np.prod(array.shape[1:], dtype=np.float64)), path)
    return arrays


def _check_codecs(array: Any, key: str, path: Path) -> None:
    facts = array.metadata.to_dict()
    listed = [facts.get("compressor"), *(facts.get("filters") or ()), *(facts.get("codecs") or ())]
    names = {str(codec.get("id") or codec.get("name")) for codec in listed if codec}
    if unknown := names - CODECS:
        raise DataError(
            f"{path}: array {key} uses codecs {sorted(unknown)}, which are not read; rewrite it with blosc."
        )
