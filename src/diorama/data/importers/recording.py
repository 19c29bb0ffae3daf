"""What an importer hands over: episodes of named columns, read one at a time."""

import abc
import contextlib
import importlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from diorama.core.errors import DataError
from diorama.data.features import Feature
from diorama.data.guard import refusing

EPISODE_BYTES = 8 * 2**30
"""Largest decoded episode that is read [bytes]; a file that promises more is refused before anything is allocated."""


@dataclass(frozen=True)
class Episode:
    """One episode: columns ``[T, *shape]`` by feature name, what was being done, and where it came from."""

    columns: Mapping[str, np.ndarray]
    task: str
    source: str


@dataclass(frozen=True)
class Recording:
    """A foreign file, opened. ``fps`` [1/s] is None where the format does not record it."""

    features: Mapping[str, Feature]
    fps: float | None
    count: int
    episodes: Callable[[], Iterator[Episode]]


class Format(abc.ABC):
    """A foreign file format."""

    name: str

    @abc.abstractmethod
    def detects(self, path: Path) -> bool:
        """Whether ``path`` looks like this format, from names and first bytes only."""

    @abc.abstractmethod
    def open(self, path: Path) -> contextlib.AbstractContextManager[Recording]:
        """The recording in ``path``, open inside the ``with`` block. Raises `DataError`."""


def extra(module: str, what: str) -> ModuleType:
    """A module of the extra ``import``, or a `DataError` that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f"{what} needs the package {module}; install it with: pip install 'diorama[import]'."
        ) from error


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a foreign reader raises about ``path`` into one `DataError`."""
    try:
        with refusing(path):
            yield
    except (RuntimeError, MemoryError, AttributeError, AssertionError, zipfile.BadZipFile) as error:
        cause = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise DataError(f"{path} is damaged or not what it says ({cause}); restore it from a copy.") from error


def column_name(key: str, shape: tuple[int, ...], path: Path) -> str:
    """``action`` stays, pictures go to ``observation.images.*``, all else to ``observation.*``."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_-.") else "_" for c in key)
    if not plain or ".." in plain or len(plain) > 100:
        raise DataError(f"{path} has an array named {key[:40]!r}; rename it to plain letters, digits and underscores.")
    return plain if plain == "action" else f"observation.{'images.' if is_picture(shape) else ''}{plain}"


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether rows of shape (H, W, C) with 1, 3 or 4 channels and at least 8 x 8 pixels."""
    return len(shape) == 3 and shape[-1] in (1, 3, 4) and min(shape[:2]) >= 8


def feature_of(shape: tuple[int, ...], dtype: np.dtype) -> Feature:
    """The feature for rows of this shape: pictures become cameras, other floats float32."""
    if is_picture(shape) and dtype.kind in "uf":
        return Feature("image", shape, ("height", "width", "channels"))
    return Feature("float32" if dtype.kind == "f" else str(dtype), shape)


def check_rows(name: str, shape: tuple[int, ...], dtype: np.dtype, path: Path, rows: int | None = None) -> None:
    """Raise `DataError` where an array is not numeric, has another number of rows, or absurdly large rows."""
    if dtype.kind not in "biuf":
        raise DataError(f"{path}: array {name} holds {dtype}, not numbers; remove it from the file.")
    if not shape or len(shape) > 6 or 0 in shape[1:]:
        raise DataError(f"{path}: array {name} has shape {shape}; one row for each time step is needed.")
    if rows is not None and shape[0] != rows:
        raise DataError(f"{path}: array {name} has {shape[0]} rows, {rows} are needed; the file is inconsistent.")
    if int(np.prod(shape[1:], dtype=np.float64)) * dtype.itemsize > EPISODE_BYTES // 2:
        raise DataError(f"{path}: one row of array {name} has shape {shape[1:]}, which is absurd; refused.")


def check_episode_size(size: float, path: Path) -> None:
    """Raise `DataError` where one decoded episode would take more than `EPISODE_BYTES`."""
    if size > EPISODE_BYTES:
        raise DataError(f"{path}: one episode takes {size / 2**30:.0f} GiB, more than {EPISODE_BYTES >> 30}; refused.")


def to_column(values: np.ndarray, feature: Feature, name: str, path: Path) -> np.ndarray:
    """``values`` in the dtype of ``feature``. Float pictures are rounded; [0, 1] is scaled to [0, 255]."""
    if not feature.is_camera:
        return np.asarray(values).astype(feature.dtype, copy=False)
    if values.dtype == np.uint8:
        return values
    if not np.isfinite(values).all() or values.min(initial=0) < 0 or values.max(initial=0) > 255:
        raise DataError(f"{path}: pictures in {name} leave 0 to 255; rescale them first.")
    scale = 255.0 if values.dtype.kind == "f" and values.max(initial=0) <= 1 else 1.0
    return np.rint(values * scale).astype(np.uint8)
