"""``meta/diorama.json``: what LeRobot's files have no room for. They stay as LeRobot wrote or would write them.

It holds, per episode, its identity; per feature, unit and bounds; the control period; the SHA-256 of every file of the
dataset; and a seal over itself. A change to any file, made by anything but Diorama, is refused by readers until it is
restored or accepted on purpose with ``diorama.data.seal``.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.errors import DataError
from diorama.core.spec import ArraySpec, EnvSpec
from diorama.data.guard import inside, read_json, refusing, require
from diorama.data.identity import EpisodeIdentity, merkle_root

SIDE_FILE = "meta/diorama.json"
SCHEMA = 1
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Bounds:
    """Unit and inclusive bounds of a feature; None means unbounded."""

    unit: str = "1"
    low: tuple[float | None, ...] | float | None = None
    high: tuple[float | None, ...] | float | None = None

    def limits(self) -> tuple[Any, Any]:
        """``low`` and ``high`` as `ArraySpec` takes them, with infinities."""
        return tuple(_infinite(side, sign) for side, sign in ((self.low, -math.inf), (self.high, math.inf)))


def _infinite(side: Any, bound: float) -> Any:
    if isinstance(side, (list, tuple)):
        return tuple(bound if value is None else float(value) for value in side)
    return bound if side is None else float(side)


def _finite(side: Any) -> Any:
    if isinstance(side, (tuple, list, np.ndarray)):
        return tuple(_finite(value) for value in side)
    return float(side) if math.isfinite(side) else None


def bounds_of(spec: EnvSpec) -> dict[str, Bounds]:
    """Unit and bounds by feature name from the spec of a world. Bounds must be numbers or flat vectors."""
    arrays = {f"observation.{name}": array for name, array in spec.observation.items()} | {"action": spec.action}
    return {key: _bounds(array) for key, array in arrays.items()}


def _bounds(array: ArraySpec) -> Bounds:
    return Bounds(array.unit, _finite(array.low), _finite(array.high))


@dataclass(frozen=True)
class Side:
    """The content of the side file; ``control_period`` [s] where it is not 1 / fps; ``files`` by relative path."""

    episodes: Sequence[EpisodeIdentity] = ()
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    control_period: float | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The dataset's version: the Merkle root over the exact digests of its episodes, in order."""
        return merkle_root([episode.exact for episode in self.episodes])

    def to_bytes(self) -> bytes:
        """The file's content: canonical JSON, sealed."""
        body = {
            "schema": SCHEMA,
            "version": self.version,
            "control_period": self.control_period,
            "bounds": {key: asdict(bounds) for key, bounds in self.bounds.items()},
            "episodes": [asdict(episode) for episode in self.episodes],
            "files": dict(self.files),
        }
        return _canonical(body | {"seal": hashlib.sha256(_canonical(body)).hexdigest()})


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def read_side(root: Path) -> Side | None:
    """The side file of the dataset in ``root``; None where there is none. Raises `DataError` where it was changed."""
    path = inside(root, SIDE_FILE)
    if not path.exists():
        return None
    raw = read_json(path)
    seal = raw.pop("seal", None)
    require(
        raw.get("schema") == SCHEMA, f"{path} has schema {raw.get('schema')!r}; this Diorama reads {SCHEMA}: update."
    )
    with refusing(path):
        sealed = hashlib.sha256(_canonical(raw)).hexdigest() == seal
        require(sealed, f"{path} was changed since it was sealed; restore it, or delete it and seal the dataset anew.")
        side = Side(
            episodes=[_identity(entry) for entry in raw["episodes"]],
            bounds={key: _parse_bounds(entry) for key, entry in raw["bounds"].items()},
            control_period=raw["control_period"],
            files={str(name): str(digest) for name, digest in raw["files"].items()},
        )
    period = side.control_period
    good = period is None or (isinstance(period, (int, float)) and math.isfinite(period) and period > 0)
    require(good, f"{path} has control period {period!r}; give seconds above 0.")
    require(side.version == raw.get("version"), f"{path} disagrees with itself on the dataset's version; seal anew.")
    return side


def _identity(entry: Mapping[str, Any]) -> EpisodeIdentity:
    if set(entry) != {"exact", "motion", "percept", "ids"}:
        raise DataError(f"An episode in {SIDE_FILE} has entries {sorted(entry)}; seal the dataset anew.")
    exact, motion = entry["exact"], entry["motion"]
    percept = {str(key): tuple(hashes) for key, hashes in entry["percept"].items()}
    ids = {str(key): str(value) for key, value in entry["ids"].items()}
    digits = [exact, motion, *(value for hashes in percept.values() for value in hashes)]
    plain = all(isinstance(value, str) and _HEX.issuperset(value) for value in digits) and len(exact) == 64
    require(plain and len(motion) in (0, 512), f"An episode in {SIDE_FILE} has a broken digest; seal the dataset anew.")
    return EpisodeIdentity(exact, motion, percept, ids)


def _parse_bounds(entry: Mapping[str, Any]) -> Bounds:
    sides = [tuple(side) if isinstance(side, list) else side for side in (entry["low"], entry["high"])]
    bounds = Bounds(str(entry["unit"]), *sides)
    bounds.limits()
    return bounds


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Raises `DataError` where it cannot be read."""
    with refusing(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_file(root: Path, relative: str, side: Side | None) -> Path:
    """The path of a file of the dataset, its bytes verified where the side file knows them. Raises `DataError`."""
    path = inside(root, relative)
    require(path.is_file(), f"{path} is missing; restore it from a copy.")
    if side is not None:
        known = side.files.get(relative)
        changed = f"{path} was changed since Diorama wrote it; restore it, or accept the change with diorama.data.seal."
        require(known is not None and file_digest(path) == known, changed)
    return path
