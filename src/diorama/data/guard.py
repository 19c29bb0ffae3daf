"""Guards that every reader shares: one-sentence refusals, capped JSON, and paths that stay inside a dataset."""

import contextlib
import json
import os
import re
import string
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from diorama.core.errors import DataError, DioramaError

JSON_BYTES = 256 * 2**20
"""Largest JSON or JSON-lines file that is read [bytes]."""
FIELDS = ("chunk_index", "file_index", "video_key", "episode_chunk", "episode_index")
"""Fields that a path template may use."""
_FAULTS = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError)
_LITERAL = re.compile(r"[A-Za-z0-9_.\-/]*")
_FORMAT = re.compile(r"(0?[1-9]d)?")


@contextlib.contextmanager
def refusing(what: str | Path) -> Iterator[None]:
    """Turn whatever a parser raises about ``what`` into one `DataError`."""
    try:
        yield
    except DioramaError:
        raise
    except (*_FAULTS, struct.error, zlib.error) as error:
        cause = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise DataError(f"{what} is damaged, missing or not what it says ({cause}); restore it from a copy.") from error


def require(condition: Any, sentence: str) -> None:
    """Raise `DataError` with ``sentence`` unless ``condition`` holds."""
    if not condition:
        raise DataError(sentence)


def integer(value: Any, what: str, low: int = 0, high: int = 2**53) -> int:
    """``value`` where it is an integer in [low, high]; raises `DataError` otherwise."""
    fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    require(fits, f"{what} is {str(value)[:80]!r}, not an integer from {low} to {high}; correct it.")
    return value


def text(value: Any, what: str, limit: int = 4096) -> str:
    """``value`` where it is a string of at most ``limit`` characters; raises `DataError` otherwise."""
    fits = isinstance(value, str) and len(value) <= limit
    require(fits, f"{what} must be a text of at most {limit} characters; correct it.")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def parse_json(content: str | bytes, what: str | Path) -> dict[str, Any]:
    """A JSON object; raises `DataError` for broken or too deep JSON, NaN, infinity, or another type."""
    with refusing(what):
        value = json.loads(content, parse_constant=_no_constant)
    require(isinstance(value, dict), f"{what} does not hold a JSON object; restore it from a copy.")
    return value


def read_bytes(path: Path, limit: int = JSON_BYTES) -> bytes:
    """The bytes of a file of at most ``limit`` bytes; raises `DataError` before a larger one is read."""
    # A pipe or a device would be waited for without end.
    require(path.is_file() or not path.exists(), f"{path} is no plain file; refused.")
    with refusing(path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        require(size <= limit, f"{path} has {size} bytes, more than the {limit} allowed for such a file; refused.")
        return file.read(limit)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of at most `JSON_BYTES` bytes. Raises `DataError`."""
    return parse_json(read_bytes(path), path)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects in a JSON-lines file. Raises `DataError`."""
    lines = read_bytes(path).splitlines()
    return [parse_json(line, f"{path} line {k + 1}") for k, line in enumerate(lines) if line.strip()]


def inside(root: Path, relative: str) -> Path:
    """``root / relative`` where it stays inside ``root`` with every symbolic link followed. Raises `DataError`."""
    parts = relative.split("/")
    plain = bool(relative) and "\\" not in relative and "\0" not in relative and ":" not in relative
    require(
        plain and not {"", "..", "."} & set(parts), f"Path {relative!r} leaves the dataset or is not plain; refused."
    )
    path = root / relative
    with refusing(path):
        real = path.resolve()
    require(real.is_relative_to(root.resolve()), f"{path} is a link that leaves the dataset folder; copy the file in.")
    return path


def check_template(template: Any, what: str) -> str:
    """``template`` where it is a harmless relative path template over `FIELDS`. Raises `DataError`."""
    template = text(template, what, 300)
    with refusing(f"{what} {template!r}"):
        pieces = list(string.Formatter().parse(template))
    for literal, name, layout, conversion in pieces:
        safe = _LITERAL.fullmatch(literal) and conversion is None
        safe = safe and (name is None or (name in FIELDS and _FORMAT.fullmatch(layout or "")))
        require(safe, f"{what} {template!r} uses something other than plain names and {FIELDS}; refused.")
    parts = template.split("/")
    require(
        not {"", "..", "."} & set(parts), f"{what} {template!r} is not a relative path inside the dataset; refused."
    )
    return template
