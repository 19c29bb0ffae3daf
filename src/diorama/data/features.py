"""Features: the named columns of a dataset, as LeRobot describes them in ``meta/info.json``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from diorama.core.errors import DataError
from diorama.core.spec import EnvSpec
from diorama.data.guard import integer, require, text

CAMERA = ("image", "video")
NUMERIC = (
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
)
"""Dtypes of plain columns."""
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\- ]{0,199}")
_LIMIT = 2**28
"""Largest number of entries of one frame of one feature."""
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class Feature:
    """One column: ``dtype`` (a NumPy name, ``string``, ``image`` or ``video``), ``shape`` of one frame, names.

    A camera has shape (H, W, C); some foreign files say (C, H, W) and their ``names`` tell. LeRobot has no 0-D
    shape and writes a scalar as ``[1]``: here ``action`` and ``observation.*`` keep shape (1,), every other column of
    shape ``[1]`` has shape (). `canonical` applies that rule, on writing and on reading.
    """

    dtype: str
    shape: tuple[int, ...]
    names: Any = None
    info: dict[str, Any] | None = None

    @property
    def is_camera(self) -> bool:
        """Whether a frame is a picture."""
        return self.dtype in CAMERA

    @property
    def disk_shape(self) -> tuple[int, ...]:
        """The shape as LeRobot writes it: (1,) for a scalar."""
        return self.shape or (1,)

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of a camera."""
        first_is_channel = str((self.axis_names or ("",))[0]).startswith("channel")
        odd = self.shape[0] in (1, 3, 4) and self.shape[2] not in (1, 3, 4)
        c_first = first_is_channel or (odd and not self.axis_names)
        height, width, channels = (self.shape[1], self.shape[2], self.shape[0]) if c_first else self.shape
        return (height, width, channels)

    @property
    def axis_names(self) -> tuple[str, ...]:
        """Names of the entries of a vector, or of the axes of a picture; () where the file has none that fit."""
        names = self.names
        if isinstance(names, Mapping) and len(names) == 1:
            names = next(iter(names.values()))
        flat = isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
        return tuple(names) if flat else ()

    @property
    def row_bytes(self) -> int:
        """Decoded bytes of one frame (1 for a string)."""
        itemsize = 1 if self.is_camera or self.dtype == "string" else np.dtype(self.dtype).itemsize
        return int(np.prod(self.shape, dtype=np.int64)) * itemsize

    @property
    def arrow_type(self) -> pa.DataType:
        """The column's type in a data file: a scalar, a fixed-size list (1-D) or nested lists (2-D to 5-D)."""
        if self.is_camera:
            return IMAGE_TYPE
        kind = pa.string() if self.dtype == "string" else pa.from_numpy_dtype(np.dtype(self.dtype))
        if self.disk_shape == (1,):
            return kind
        if len(self.shape) == 1:
            return pa.list_(kind, self.shape[0])
        for _ in self.shape:
            kind = pa.list_(kind)
        return kind

    def to_json(self) -> dict[str, Any]:
        """The entry in ``info.json``."""
        names = list(self.names) if isinstance(self.names, tuple) else self.names
        entry = {"dtype": self.dtype, "shape": list(self.disk_shape), "names": names}
        return entry | ({"info": self.info} if self.info else {})


AUTOMATIC = {
    "timestamp": Feature("float32", ()),
    "frame_index": Feature("int64", ()),
    "episode_index": Feature("int64", ()),
    "index": Feature("int64", ()),
    "task_index": Feature("int64", ()),
}
"""Columns that the writer fills in by itself: time from the episode's start [s], and four counters."""


def canonical(key: str, feature: Feature) -> Feature:
    """``feature`` with the one rule for scalars applied (see `Feature`)."""
    if feature.is_camera or feature.shape not in ((), (1,)):
        return feature
    keeps_axis = key == "action" or key.startswith(("action.", "observation."))
    return replace(feature, shape=(1,) if keeps_axis else ())


def parse_feature(key: Any, entry: Any) -> Feature:
    """A validated feature from its JSON entry. Raises `DataError` for odd names, dtypes and absurd shapes."""
    key = text(key, "A feature's name", 200)
    require(
        _KEY.fullmatch(key) and ".." not in key, f"Feature name {key!r} is not plain letters, digits, '.', '_', '-'."
    )
    require(isinstance(entry, Mapping), f"Feature {key!r} is not described by a mapping; give dtype, shape and names.")
    dtype = text(entry.get("dtype"), f"The dtype of feature {key!r}")
    known = dtype in NUMERIC or dtype in CAMERA or dtype == "string"
    require(known, f"Feature {key!r} has dtype {dtype!r}; use one of {NUMERIC}, image, video or string.")
    shape = entry.get("shape")
    listed = isinstance(shape, (list, tuple)) and len(shape) <= 5
    require(listed, f"Feature {key!r} has no shape of at most 5 axes; give a list of sizes.")
    sizes = tuple(integer(size, f"A size in the shape of feature {key!r}", 1, _LIMIT) for size in shape)
    entries = int(np.prod([float(size) for size in sizes])) if sizes else 1
    require(entries <= _LIMIT, f"Feature {key!r} has an absurd shape {sizes}; at most {_LIMIT} entries are read.")
    if dtype in CAMERA:
        require(len(sizes) == 3, f"Camera {key!r} has shape {sizes}; give height, width, channels.")
    names, info = entry.get("names"), entry.get("info")
    feature = Feature(dtype, sizes, names, info if isinstance(info, dict) else None)
    if feature.is_camera:
        channels = feature.frame_shape[2]
        require(channels in (1, 3, 4), f"Camera {key!r} has {channels} channels; 1, 3 or 4 are possible.")
    return canonical(key, feature)


def parse_features(entries: Any) -> dict[str, Feature]:
    """Features from ``info.json`` or from a user (mappings or `Feature`), by name. Raises `DataError`."""
    require(isinstance(entries, Mapping) and len(entries) <= 10_000, "Features must be a mapping from name to feature.")
    plain = {k: v.to_json() if isinstance(v, Feature) else v for k, v in entries.items()}
    return {key: parse_feature(key, entry) for key, entry in plain.items()}


def features_of(spec: EnvSpec) -> dict[str, Feature]:
    """The features of interaction with a world: ``observation.*``, ``action``, ``next.reward``, ``next.done``.

    Arrays uint8 of shape (H, W, 1 or 3 or 4) become cameras. Raises `DataError` for dtypes that have no column.
    """
    features = {}
    for name, array in spec.observation.items():
        camera = array.dtype == "uint8" and len(array.shape) == 3 and array.shape[2] in (1, 3, 4)
        names = ("height", "width", "channels") if camera else array.names or None
        features[f"observation.{name}"] = Feature("image" if camera else array.dtype, array.shape, names)
    features["action"] = Feature(spec.action.dtype, spec.action.shape, spec.action.names or None)
    features["next.reward"] = Feature("float32", ())
    features["next.done"] = Feature("bool", ())
    return parse_features(features)


def fit(key: str, feature: Feature, values: Any) -> np.ndarray:
    """``values`` as one episode's column [T, *shape] of the feature's dtype; scalars may come as [T] or [T, 1].

    Raises `DataError` for another shape, for a dtype that does not cast within its kind, and for NaN and infinity.
    """
    array = np.asarray(values)
    shape = feature.frame_shape if feature.is_camera else feature.shape
    dtype = np.dtype("uint8" if feature.is_camera else feature.dtype)
    if shape in ((), (1,)) and array.ndim in (1, 2) and array.size == len(array):
        array = array.reshape(len(array), *shape)
    if array.ndim == 0 or array.shape[1:] != shape:
        raise DataError(f"Column {key!r} has shape {array.shape}, not [T, {', '.join(map(str, shape))}]; reshape it.")
    if not np.can_cast(array.dtype, dtype, "same_kind") or (feature.is_camera and array.dtype != dtype):
        raise DataError(f"Column {key!r} has dtype {array.dtype}, its feature says {dtype}; cast it on purpose.")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array.astype(dtype, copy=False))
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"Column {key!r} holds NaN or infinity; repair or drop the episode.")
    return array
