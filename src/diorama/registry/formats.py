"""What may be kept as a blob: files that hold data and cannot hold code. Told by the name and by the first bytes."""

import json
import re
from pathlib import PurePosixPath

from diorama.core.errors import DataError

HEAD_BYTES = 512
"""How many first bytes of a blob are looked at."""
_UNSAFE = (".pt", ".pth", ".pkl", ".ckpt", ".npy", ".npz", ".msgpack", ".bin", ".so")
"""Suffixes of files that can run code when they are loaded, or that nobody can tell from such."""
KNOWN = (
    ".safetensors",
    ".json",
    ".jsonl",
    ".parquet",
    ".arrow",
    ".mp4",
    ".png",
    ".html",
    ".md",
    ".txt",
    ".csv",
    ".toml",
    ".yaml",
    ".xml",
    ".gif",
    ".svg",
)
"""Suffixes that are kept."""
_TEXTS = (".json", ".jsonl", ".html", ".md", ".txt", ".csv", ".toml", ".yaml", ".xml", ".svg")
_MAGIC = {b"PAR1": ".parquet", b"ARROW1": ".arrow", b"\x89PNG\r\n\x1a\n": ".png", b"GIF8": ".gif"}
_MEND = "keep weights as safetensors and everything else as JSON, Parquet, text, PNG or MP4"
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def check_suffix(name: str) -> None:
    """Raise `DataError` unless a file of this name is of a kept kind; a name without suffix is told by its content."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _UNSAFE:
        raise DataError(f"{name} is refused, because a {suffix} file can run code when it is loaded; {_MEND}.")
    if suffix and suffix not in KNOWN:
        raise DataError(f"{name} is refused, because the registry does not keep {suffix} files; {_MEND}.")


def check_head(head: bytes, name: str = "A blob") -> str:
    """The format of a blob by its first `HEAD_BYTES` bytes, as a suffix; raises `DataError` for an unknown one.

    ``name`` may have a suffix, which the content must then agree with.
    """
    found = _recognise(head)
    if found is None:
        raise DataError(f"{name} is refused, because its content is of no kept format; {_MEND}.")
    wanted = PurePosixPath(name).suffix.lower()
    fits = wanted == found or (wanted in _TEXTS and found == ".txt")
    if wanted in KNOWN and not fits:
        raise DataError(f"{name} is refused, because its content is not {wanted}; {_MEND}.")
    return found


def _recognise(head: bytes) -> str | None:
    for magic, suffix in _MAGIC.items():
        if head.startswith(magic):
            return suffix
    if head[4:8] == b"ftyp":
        return ".mp4"
    if _is_safetensors(head):
        return ".safetensors"
    return ".txt" if _is_text(head) else None


def _is_safetensors(head: bytes) -> bool:
    length = int.from_bytes(head[:8], "little")
    if not 2 <= length <= 100 * 2**20 or head[8:9] != b"{":
        return False
    if length + 8 > len(head):
        return True
    try:
        return isinstance(json.loads(head[8 : 8 + length]), dict)
    except ValueError:
        return False


def _is_text(head: bytes) -> bool:
    """Whether the bytes are UTF-8 without control characters; the last character may be cut."""
    if _CONTROL.search(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return len(head) - error.start < 4 and len(head) >= HEAD_BYTES - 4
    return True
