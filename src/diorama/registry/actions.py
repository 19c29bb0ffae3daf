"""Action keys: the identity of a piece of work before it is done. Equal keys, equal work; so what was made is reused.

As in Bazel: the key is the hash of the code, the locked environment, the command with its configuration, the inputs by
role, and the seeds.
"""

import hashlib
import importlib.metadata
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from diorama.core.canonical import digest, to_json
from diorama.core.errors import DataError

_DISTRIBUTION = "diorama"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION = re.compile(r"^Version:(.+)$", re.MULTILINE)
_NEEDED = re.compile(r"^Requires-Dist:(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Action:
    """What is about to be done.

    ``command``: the verb and its settings as JSON values, no paths and no times in it. ``inputs``: role to the ids of
    the versions that are read. ``code``, ``lock``: digests, see `code_digest` and `lock_digest`.
    """

    command: Mapping[str, Any]
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    code: str = ""
    lock: str = ""

    def key(self) -> str:
        """SHA-256 of everything above, in hexadecimal. The order of the inputs of one role does not count."""
        inputs = {role: sorted(ids) for role, ids in self.inputs.items() if ids}
        return digest(to_json(self) | {"inputs": inputs})


def code_digest(files: Iterable[Path] | None = None, root: Path | None = None) -> str:
    """SHA-256 over the names and contents of source files; by default those of the installed Diorama.

    Names are relative to ``root`` (default: the package's folder), so that the place of the installation does not
    count. Raises `DataError` where a file cannot be read.
    """
    root = Path(__file__).resolve().parents[1] if root is None else Path(root)
    found = sorted(root.rglob("*.py")) if files is None else sorted(Path(path) for path in files)
    total = hashlib.sha256(b"diorama code 1\n")
    for path in found:
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        total.update(f"{name}\0{_file_digest(path)}\n".encode())
    return total.hexdigest()


@cache
def lock_digest() -> str:
    """SHA-256 over the Python version and the installed versions of everything that Diorama asks for.

    Read once in a process: what is imported does not change with what is installed later.
    """
    lines = [f"python=={platform.python_version()}"]
    lines += [f"{name}=={version}" for name, version in sorted(_installed().items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _installed() -> dict[str, str]:
    """Name to version of Diorama's requirements, theirs, and so on; what is not installed is left out."""
    found: dict[str, str] = {}
    waiting, seen = [_DISTRIBUTION], set()
    while waiting:
        name = _plain(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        version, needed = _described(distribution)
        found[name] = version
        waiting += [_NAME.match(text.strip()).group() for text in needed]
    return found


def _described(distribution: Any) -> tuple[str, list[str]]:
    """Version and requirements. The fields alone are read: parsing the whole as a message takes ten times as long.

    The distribution may be of the package `importlib_metadata`, which finds what is installed once anybody imports it.
    """
    fields = (distribution.read_text("METADATA") or "").split("\n\n", 1)[0]
    version = _VERSION.search(fields)
    if version is None:  # An older form of installation.
        return distribution.version, list(distribution.requires or ())
    return version.group(1).strip(), _NEEDED.findall(fields)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); the code of this work is unknown without it.") from error
