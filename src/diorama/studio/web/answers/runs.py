"""Runs: the folders in which work is done, what it has reached, and whether somebody is working there now.

A run is named by the SHA-256 of its folder's path, looked up in a table that is made here; no path comes from outside.
"""

import fcntl
import hashlib
import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diorama.recipes.book import Book
from diorama.recipes.run_folder import OPEN, VERSIONS
from diorama.studio.web.errors import MissingError

METRICS, STAGES, CONFIG, LOCK = "metrics.jsonl", "stages.json", "config.json", ".lock"
_FRESH_S, _POINTS = 2.0, 400
_SKIPPED = ("stage", "step", "seconds")


@dataclass(frozen=True)
class Run:
    """One run: ``id`` (of its folder), ``name``, whether it is ``running``, and when it last wrote [s since 1970].

    ``finished``: stages that are done, in order; ``stage`` and ``step``: where the newest line of metrics stands, and
    ``total`` steps of that stage, None where the configuration does not tell. ``versions``: what it registered.
    """

    id: str
    name: str
    running: bool
    wrote: float | int
    finished: tuple[str, ...]
    stage: str
    step: int
    total: int | None
    seconds: float | int | None
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Curve:
    """One metric of one stage: steps and values, thinned to at most 400 points."""

    stage: str
    metric: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass
class Runs:
    """The runs of a studio: those of the places that the registry noted, and those in the folders of the settings."""

    book: Book
    folders: tuple[Path, ...]
    _known: dict[str, Path] = field(default_factory=dict)
    _looked: float | int = -1e9
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def all(self) -> list[Run]:
        """Every run, those that are running first, then the newest."""
        found = [read_run(one, path) for one, path in self._table().items() if path.is_dir()]
        return sorted(found, key=lambda run: (not run.running, -run.wrote))

    def folder(self, run: str) -> Path:
        """The folder of a run. Raises `MissingError` for an id that is not in the table."""
        path = self._table().get(run)
        if path is None or not path.is_dir():
            raise MissingError("There is no such run here any more; look for it in the list of runs.")
        return path

    def of_version(self, version: str) -> str | None:
        """The id of the run in whose folder a version's artifact lies."""
        for place in self.book.places.find(version):
            for folder in (place, place.parent):
                if (folder / METRICS).is_file():
                    key = run_id(folder)
                    self._known.setdefault(key, folder.resolve())
                    return key
        return None

    def _table(self) -> dict[str, Path]:
        with self._lock:
            if time.monotonic() - self._looked > _FRESH_S:
                self._known = {run_id(path): path for path in self._found()}
                self._looked = time.monotonic()
            return self._known

    def _found(self) -> Iterable[Path]:
        noted = {Path(place) for places in self.book.places.everything().values() for place in places[:1]}
        near = noted | {place.parent for place in noted}
        inside = {path for folder in self.folders if folder.is_dir() for path in folder.iterdir()}
        return (path.resolve() for path in near | inside if (path / METRICS).is_file())


def run_id(folder: Path) -> str:
    """The name of a run on the outside: the SHA-256 of the path of its folder."""
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()


def read_run(run: str, folder: Path) -> Run:
    """Where a run stands; what cannot be read counts as nothing."""
    last = _last_line(folder / METRICS)
    stage = str(last.get("stage", ""))
    return Run(
        id=run,
        name=folder.name,
        running=_held(folder / LOCK),
        wrote=(folder / METRICS).stat().st_mtime if (folder / METRICS).is_file() else 0.0,
        finished=tuple(name for name in read_notes(folder / STAGES) if name != "seconds"),
        stage=stage,
        step=int(last.get("step", 0)),
        total=_total(read_notes(folder / CONFIG), stage),
        seconds=last.get("seconds"),
        versions={str(k): str(v) for k, v in read_notes(folder / VERSIONS).items()},
    )


def curves(folder: Path, stages: Sequence[str] = ()) -> list[Curve]:
    """Every metric of every stage (of ``stages``, if any are given), in the order of first appearance."""
    found: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
    for line in _lines(folder / METRICS):
        stage = line.get("stage", "")
        if stages and stage not in stages:
            continue
        for name, value in line.items():
            if name not in _SKIPPED and isinstance(value, int | float):
                steps, values = found.setdefault((stage, name), ([], []))
                steps.append(int(line.get("step", len(steps))))
                values.append(float(value))
    return [Curve(s, m, *_thinned(steps, values)) for (s, m), (steps, values) in found.items()]


def stage_of(artifact: str) -> tuple[str, ...]:
    """The stages that made the artifact in a run's subfolder of this name."""
    kind, _, which = artifact.partition("-")
    if kind == "policy":
        return (f"train-{which}" if which else "train",)
    return ("fit",) if artifact == "world" else (f"fit-{artifact}",)


def resources(folder: Path) -> Mapping[str, Any]:
    """What the work that is not registered yet has taken so far."""
    taken = read_notes(folder / OPEN).get("taken")
    return taken if isinstance(taken, Mapping) else {}


def seconds(folder: Path) -> Mapping[str, float]:
    """Seconds of wall clock by kind of work."""
    spent = read_notes(folder / STAGES).get("seconds")
    return {str(k): float | int(v) for k, v in spent.items()} if isinstance(spent, Mapping) else {}


def _held(lock: Path) -> bool:
    """Whether a process holds the lock of a run folder."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read_notes(path: Path) -> dict[str, Any]:
    """A JSON object of a run folder; empty where there is none that can be read."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _lines(path: Path) -> Iterable[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return
    for line in text.splitlines():
        try:
            read = json.loads(line)
        except ValueError:
            continue
        if isinstance(read, dict):
            yield read


def _last_line(path: Path, tail: int = 65536) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - tail))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            read = json.loads(line)
        except ValueError:
            continue
        if isinstance(read, dict):
            return read
    return {}


def _total(config: Mapping[str, Any], stage: str) -> int | None:
    """How many updates a stage takes, where the configuration says it in one of the known places."""
    kind, _, what = stage.partition("-")
    if kind == "train" and "local" in config:
        # The rounds of a coupled run share their samples in a way that its configuration does not spell out.
        return None
    part = what.partition("-")[0]
    fit = [(part, "fit", "updates"), ("world", "fit", "updates"), ("fit", "updates")]
    ways = fit if kind == "fit" else [("train", "updates"), ("policy", "train", "updates")]
    for way in ways:
        value: Any = config
        for name in way:
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, int):
            return value
    return None


def _thinned(steps: list[int], values: list[float]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    stride = max(1, -(-len(steps) // _POINTS))
    return tuple(steps[::stride]), tuple(values[::stride])
