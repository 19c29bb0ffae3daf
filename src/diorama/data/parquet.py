"""Columns on disk: NumPy to Parquet and back, with every count and type checked before use."""

import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from diorama.core.errors import DataError
from diorama.data.features import Feature
from diorama.data.guard import refusing, require

SLACK = 64 * 2**20
"""Decoded bytes that any file may ask for, whatever its size."""
RATIO = 4000
"""Largest believable ratio of decoded to stored bytes of plain columns."""


def to_arrow(feature: Feature, values: np.ndarray | Sequence[bytes]) -> pa.Array:
    """One episode's column as an Arrow array: ``values`` is [T, *shape], or encoded pictures for a camera."""
    if feature.is_camera:
        pictures = pa.array(values, pa.binary())
        return pa.StructArray.from_arrays([pictures, pa.nulls(len(pictures), pa.string())], ["bytes", "path"])
    flat = pa.array(values.reshape(-1), type=pa.from_numpy_dtype(values.dtype))
    if feature.disk_shape == (1,):
        return flat
    if len(feature.shape) == 1:
        return pa.FixedSizeListArray.from_arrays(flat, feature.shape[0])
    count = len(flat)
    for size in reversed(feature.shape):
        count //= size
        flat = pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32) * size, flat)
    return flat


def to_numpy(array: pa.Array | pa.ChunkedArray, feature: Feature, what: str) -> np.ndarray:
    """A column [T, *shape] from Arrow lists; raises `DataError` for nulls, other sizes or another type."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    rows = len(array)
    for size in feature.shape if feature.disk_shape != (1,) else ():
        array = _flatten(array, size, what)
    if pa.types.is_nested(array.type):
        array = _flatten(array, 1, what)
    require(array.null_count == 0, f"{what} holds missing values; fill them or drop the episode.")
    if feature.dtype == "string":
        texts = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
        require(texts, f"{what} is stored as {array.type}, not as text; correct info.json.")
        return np.array(array.to_pylist(), dtype=np.str_).reshape(rows, *feature.shape)
    if array.type != pa.from_numpy_dtype(np.dtype(feature.dtype)):
        raise DataError(f"{what} is stored as {array.type}, info.json says {feature.dtype}; correct one of them.")
    values = array.to_numpy(zero_copy_only=False).reshape(rows, *feature.shape)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"{what} holds NaN or infinity; repair or drop the episode.")
    return values


def _flatten(array: pa.Array, size: int, what: str) -> pa.Array:
    require(array.null_count == 0, f"{what} holds missing values; fill them or drop the episode.")
    if pa.types.is_fixed_size_list(array.type):
        good = array.type.list_size == size
    elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        good = bool((array.value_lengths().to_numpy() == size).all())
    else:
        good = False
    require(good, f"{what} is stored as {array.type}, not as lists of {size} as info.json says; correct info.json.")
    return array.flatten()


def _huggingface(features: Mapping[str, Feature]) -> dict[str, Any]:
    """The ``huggingface`` schema metadata, which makes the ``datasets`` library show pictures and N-D arrays."""
    entries: dict[str, Any] = {}
    for key, feature in features.items():
        value = {"dtype": feature.dtype, "_type": "Value"}
        if feature.dtype == "video":
            continue
        if feature.dtype == "image":
            value = {"_type": "Image"}
        elif len(feature.shape) > 1:
            value = {"shape": list(feature.shape), "dtype": feature.dtype, "_type": f"Array{len(feature.shape)}D"}
        elif feature.disk_shape != (1,):
            value = {"feature": value, "length": feature.shape[0], "_type": "Sequence"}
        entries[key] = value
    return {"info": {"features": entries}}


def data_schema(features: Mapping[str, Feature]) -> pa.Schema:
    """The schema of a data file: every feature but videos, in their order."""
    fields = [pa.field(key, feature.arrow_type) for key, feature in features.items() if feature.dtype != "video"]
    return pa.schema(fields, metadata={b"huggingface": json.dumps(_huggingface(features)).encode()})


def write_table(path: Path, groups: Iterable[pa.Table], schema: pa.Schema) -> None:
    """Write tables as one row group each (snappy, page checksums) and bring the file to the disk."""
    with path.open("wb") as file:
        with pq.ParquetWriter(file, schema, compression="snappy", write_page_checksum=True) as writer:
            for table in groups:
                writer.write_table(table.cast(schema), row_group_size=max(len(table), 1))
        file.flush()
        os.fsync(file.fileno())


class ParquetReader:
    """One Parquet file, opened on its footer, with page checksums verified on reading.

    Raises `DataError` where the footer is broken. ``rows`` is the number of rows that the footer promises.
    """

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self.path = path
        # A pipe or a device would be waited for without end.
        require(content is not None or path.is_file(), f"{path} is missing or no plain file; restore it from a copy.")
        with refusing(path):
            self.size = path.stat().st_size if content is None else len(content)
            source = path if content is None else io.BytesIO(content)
            self.file = pq.ParquetFile(source, page_checksum_verification=True)
            meta = self.file.metadata
            groups = [meta.row_group(k).num_rows for k in range(meta.num_row_groups)]
        require(min(groups, default=0) >= 0, f"{path} has a row group of negative length; restore it from a copy.")
        self.ends = np.cumsum(groups, dtype=np.int64)
        self.rows = int(self.ends[-1]) if groups else 0
        require(self.rows == meta.num_rows, f"{path} disagrees with itself on its rows; restore it from a copy.")
        self.names = set(self.file.schema_arrow.names)
        require(
            len(self.names) == len(self.file.schema_arrow.names), f"{path} has two columns of one name; rename one."
        )

    def allow(self, decoded_bytes: int) -> None:
        """Raise `DataError` where a promise of ``decoded_bytes`` is absurd for a file of this size."""
        limit = SLACK + RATIO * self.size
        fits = decoded_bytes <= limit
        require(fits, f"{self.path} of {self.size} bytes promises {decoded_bytes} bytes of data; refused as absurd.")

    def table(self, columns: Sequence[str], start: int = 0, stop: int | None = None) -> pa.Table:
        """Rows [start, stop) of some columns. Raises `DataError` for missing columns and damaged pages."""
        stop = self.rows if stop is None else stop
        require(0 <= start <= stop <= self.rows, f"{self.path} has {self.rows} rows, fewer than are asked of it.")
        if missing := sorted(set(columns) - self.names):
            raise DataError(f"{self.path} lacks the columns {missing}; correct info.json or restore the file.")
        first, last = np.searchsorted(self.ends, [start, max(stop - 1, start)], side="right")
        groups = range(int(first), min(int(last) + 1, len(self.ends)))
        with refusing(self.path):
            table = self.file.read_row_groups(list(groups), columns=list(columns), use_threads=False)
            table.validate(full=True)
        before = int(self.ends[first - 1]) if first else 0
        promised = int(self.ends[groups[-1]]) - before if groups else 0
        require(
            len(table) == promised, f"{self.path} holds {len(table)} rows where it promises {promised}; restore it."
        )
        return table.slice(start - before, stop - start)

    def column(self, key: str, feature: Feature, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Rows [start, stop) of one plain column as [T, *shape]. Raises `DataError`."""
        stop = self.rows if stop is None else stop
        self.allow((stop - start) * feature.row_bytes)
        what = f"Column {key!r} in {self.path}"
        with refusing(what):
            return to_numpy(self.table([key], start, stop).column(0), feature, what)

    def pictures(self, key: str, start: int, stop: int) -> list[bytes]:
        """Rows [start, stop) of a camera column: the encoded pictures. Raises `DataError`."""
        what = f"Camera {key!r} in {self.path}"
        with refusing(what):
            column = self.table([key], start, stop).column(0).combine_chunks()
            require(pa.types.is_struct(column.type), f"{what} is not stored as pictures; correct info.json.")
            encoded = column.field("bytes").to_pylist()
        require(all(isinstance(e, bytes) for e in encoded), f"{what} refers to files outside; embed the pictures.")
        return encoded

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def tasks_table(tasks: Sequence[str]) -> pa.Table:
    """The content of ``meta/tasks.parquet``: ``task_index`` with the task texts as its pandas index."""
    pandas = {
        "index_columns": ["__index_level_0__"],
        "column_indexes": [
            {
                "name": None,
                "field_name": None,
                "pandas_type": "unicode",
                "numpy_type": "object",
                "metadata": {"encoding": "UTF-8"},
            }
        ],
        "columns": [
            _pandas_column("task_index", "task_index", "int64", "int64"),
            _pandas_column(None, "__index_level_0__", "unicode", "object"),
        ],
        "attributes": {},
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.3",
    }
    schema = pa.schema(
        [("task_index", pa.int64()), ("__index_level_0__", pa.string())],
        metadata={b"pandas": json.dumps(pandas).encode()},
    )
    return pa.table([pa.array(range(len(tasks)), pa.int64()), pa.array(tasks, pa.string())], schema=schema)


def _pandas_column(name: str | None, field: str, pandas_type: str, numpy_type: str) -> dict[str, Any]:
    return {"name": name, "field_name": field, "pandas_type": pandas_type, "numpy_type": numpy_type, "metadata": None}


def read_tasks(path: Path) -> list[str]:
    """The task texts in the order of their indices, from ``tasks.parquet``. Raises `DataError`."""
    reader = ParquetReader(path)
    texts = sorted(reader.names - {"task_index"})
    require("task_index" in reader.names and texts, f"{path} has no task_index and text columns; restore it.")
    chosen = next((name for name in ("__index_level_0__", "task") if name in texts), texts[0])
    indices = reader.column("task_index", Feature("int64", ())).tolist()
    names = reader.column(chosen, Feature("string", ())).tolist()
    return order_tasks(dict(zip(indices, names, strict=True)), len(names), path)


def order_tasks(by_index: Mapping[int, str], count: int, path: Path) -> list[str]:
    """Texts by index 0..count-1; raises `DataError` where indices repeat, are missing or texts repeat."""
    complete = sorted(by_index) == list(range(count)) and len(set(by_index.values())) == count
    require(complete, f"{path} does not number {count} different tasks from 0 on; restore it from a copy.")
    return [by_index[k] for k in range(count)]
