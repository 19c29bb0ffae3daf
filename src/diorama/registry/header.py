"""The header of a safetensors file, read without trust: names, dtypes, shapes and offsets, every one checked.

The format: 8 bytes with the header's length (little-endian), the header as JSON, then the tensors' bytes without gap or
overlap. Source: github.com/huggingface/safetensors, README. Nothing is executed and no tensor is read.
"""

import json
import math
import os
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from diorama.core.errors import DataError

BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
"""Bits of one entry of each dtype that the format names."""
METADATA = "__metadata__"
_RUNS_CODE = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_FIELDS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True)
class Limits:
    """What a foreign file may ask for: bytes of the file, of its header and of a JSON file, tensors, axes, letters."""

    file_bytes: int = 2**38
    header_bytes: int = 2**24
    json_bytes: int = 2**22
    tensors: int = 100_000
    axes: int = 16
    name_letters: int = 512


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file: its bytes are ``begin`` to ``end`` behind the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)


def read_header(path: str | Path, limits: Limits | None = None) -> tuple[Tensor, ...]:
    """The tensors of a safetensors file, in the order of their bytes.

    Raises `DataError` naming the first fault: a length that lies, a duplicate or hostile name, an unknown dtype, a
    shape that does not fit its bytes, bytes that overlap, are missing or belong to no tensor.
    """
    path, limits = Path(path), limits or Limits()
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limits.file_bytes:
            raise DataError(
                f"{path.name} has {size} bytes, more than the {limits.file_bytes} allowed; raise the limit."
            )
        text = _header_text(file, size, path.name, limits)
    header = parse_json(text, f"The header of {path.name}")
    header.pop(METADATA, None)
    if not 0 < len(header) <= limits.tensors:
        raise DataError(f"{path.name} names {len(header)} tensors; between 1 and {limits.tensors} are allowed.")
    tensors = [_read_tensor(name, entry, path.name, limits) for name, entry in header.items()]
    tensors.sort(key=lambda tensor: (tensor.begin, tensor.end))
    _check_layout(tensors, size - 8 - len(text), path.name)
    return tuple(tensors)


def parse_json(text: bytes, what: str) -> dict[str, Any]:
    """The object of a JSON text. Raises `DataError` for repeated keys, NaN, nesting without end and anything else."""
    try:
        data = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{what} is no sound JSON ({str(error)[:120]}); get the file again from its source.") from error
    if not isinstance(data, dict):
        raise DataError(f"{what} is no JSON object; get the file again from its source.")
    return data


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading that is a plain one: a pipe or a device would hang or never end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{path.name} is no plain file; give the checkpoint itself.")
        return path.open("rb")
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error.strerror}); give the path of a checkpoint.") from error


def _header_text(file: BufferedReader, size: int, name: str, limits: Limits) -> bytes:
    head = file.read(8)
    length = int.from_bytes(head, "little")
    # The first bytes of an honest length can look the same (0x0280 is 640), so a header that follows decides.
    if head[:2] in _RUNS_CODE and file.peek(1)[:1] != b"{":
        raise DataError(f"{name} is a checkpoint that runs code when it is loaded; convert it to safetensors first.")
    if len(head) < 8 or length > size - 8:
        raise DataError(f"{name} is truncated: it has {size} bytes and its header alone asks for {length}.")
    if length > limits.header_bytes:
        raise DataError(f"The header of {name} has {length} bytes, {limits.header_bytes} are allowed; raise the limit.")
    return file.read(length)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice[:60]!r} stands twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _read_tensor(name: str, entry: Any, file: str, limits: Limits) -> Tensor:
    _check_name(name, file, limits)
    if not isinstance(entry, Mapping) or set(entry) != _FIELDS:
        raise DataError(f"{file}: tensor {name!r} must have exactly {sorted(_FIELDS)}; the file is not safetensors.")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise DataError(f"{file}: tensor {name!r} has the unknown dtype {str(dtype)[:40]!r}; convert it to one of F32.")
    if not _are_counts(shape) or len(shape) > limits.axes:
        raise DataError(f"{file}: tensor {name!r} has an impossible shape; at most {limits.axes} axes, none negative.")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise DataError(f"{file}: tensor {name!r} has impossible offsets; get the file again from its source.")
    tensor = Tensor(name, dtype, tuple(shape), *offsets)
    if tensor.size * BITS[dtype] != 8 * (tensor.end - tensor.begin):
        raise DataError(
            f"{file}: tensor {name!r} of shape {list(shape)[:8]} and dtype {dtype} does not fit its "
            f"{tensor.end - tensor.begin} bytes; get the file again from its source."
        )
    return tensor


def _check_name(name: str, file: str, limits: Limits) -> None:
    parts = name.replace("\\", "/").split("/")
    hostile = not name.isprintable() or name != name.strip() or {"", ".", ".."} & set(parts) or ":" in parts[0]
    if hostile or len(name) > limits.name_letters:
        raise DataError(
            f"{file} names a tensor {ascii(name[:60])}, which could pass for a path; rename it at its source."
        )


def _are_counts(values: Any) -> bool:
    """Whether this is a list of integers from 0 to 2^63 - 1; JSON's true is no count."""
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _check_layout(tensors: list[Tensor], total: int, file: str) -> None:
    """Each tensor begins where the one before ends, and the last ends with the file."""
    expected = 0
    for tensor in tensors:
        if tensor.begin != expected:
            fault = "overlaps the one before it" if tensor.begin < expected else "leaves a gap before it"
            raise DataError(f"{file}: tensor {tensor.name!r} {fault}; get the file again from its source.")
        expected = tensor.end
    if expected != total:
        raise DataError(
            f"{file} holds {total} bytes of tensors and its header speaks of {expected}; it is truncated or has a tail."
        )
