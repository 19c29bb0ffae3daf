"""A run folder: ``config.json``, ``metrics.jsonl``, checkpoints, artifacts and reports of one job. JAX-free.

The folder belongs to one configuration as soon as it holds work. Running the same command again continues where the
last run stopped.
"""

import fcntl
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from diorama.core.errors import ConfigError
from diorama.core.files import write_atomically

_CONFIG, _METRICS, _STAGES, _LOCK = "config.json", "metrics.jsonl", "stages.json", ".lock"
VERSIONS, OPEN = "versions.json", "resources.json"
"""What registering leaves in a run folder: the ids of what was registered, and what unfinished work has taken."""


class RunFolder:
    """One job's folder, held by one process at a time. Use as a context manager.

    ``told``: told ``(stage, note)`` of each finished stage, if set.

    Raises `ConfigError` where the folder belongs to another configuration or another process is working in it.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.told: Callable[[str, Mapping[str, Any]], None] | None = None
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self.path / _CONFIG).exists() and not self._workless():
            raise ConfigError(f"{self.path} is not empty and is no run folder; choose a new --out.")
        self._lock = self._locked()
        try:
            self._claim(dict(config))
        except BaseException:
            self._lock.close()
            raise
        _drop_broken_tail(self.path / _METRICS)
        self._metrics = (self.path / _METRICS).open("a", encoding="utf-8")

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self._metrics.close()
        self._lock.close()

    def log(self, stage: str, step: int, metrics: Mapping[str, Any]) -> None:
        """Append one line to ``metrics.jsonl``; numbers are written as Python floats."""
        line = {"stage": stage, "step": int(step)} | {name: float(value) for name, value in metrics.items()}
        self._metrics.write(json.dumps(line) + "\n")
        self._metrics.flush()

    def rewind(self, stage: str, step: int) -> None:
        """Forget the metric lines of ``stage`` after ``step``, because training resumes from there."""
        self._metrics.close()
        kept = [m for m in self.metrics() if m["stage"] != stage or m["step"] <= step]
        write_atomically(self.path / _METRICS, "".join(json.dumps(m) + "\n" for m in kept))
        self._metrics = (self.path / _METRICS).open("a", encoding="utf-8")

    def metrics(self, stage: str | None = None) -> list[dict[str, Any]]:
        """All metric lines, or those of one stage, in order."""
        lines = (self.path / _METRICS).read_text(encoding="utf-8").splitlines()
        parsed = [json.loads(line) for line in lines]
        return [m for m in parsed if stage is None or m["stage"] == stage]

    def finished(self, stage: str) -> dict[str, Any] | None:
        """What was noted when ``stage`` was finished, or None."""
        return self.stages().get(stage)

    def finish(self, stage: str, note: Mapping[str, Any]) -> None:
        """Note that ``stage`` is finished; a later run skips it."""
        write_atomically(self.path / _STAGES, json.dumps(self.stages() | {stage: dict(note)}, indent=1))
        if self.told is not None:
            self.told(stage, note)

    def write(self, name: str, text: str) -> Path:
        """Write a text file of the run atomically."""
        write_atomically(self.path / name, text)
        return self.path / name

    def stages(self) -> dict[str, Any]:
        """The notes of all finished stages, in the order in which they were finished first."""
        path = self.path / _STAGES
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def _locked(self) -> IO[str]:
        lock = (self.path / _LOCK).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise ConfigError(
                f"Another process is working in {self.path}; wait for it or choose another --out."
            ) from error
        return lock

    def _claim(self, config: dict[str, Any]) -> None:
        path = self.path / _CONFIG
        if self._workless():
            write_atomically(path, json.dumps(config, indent=1, sort_keys=True) + "\n")
            return
        if (stored := _read_config(path)) != json.loads(json.dumps(config)):
            changed = sorted(
                k for k in stored.keys() | config.keys() if stored.get(k) != json.loads(json.dumps(config.get(k)))
            )
            raise ConfigError(
                f"{self.path} belongs to a run with other settings ({', '.join(changed)}); choose another --out."
            )

    def _workless(self) -> bool:
        """Whether nothing was made here yet: a command that was refused at once leaves the folder to the next one."""
        sizes = {p.name: p.stat().st_size for p in self.path.iterdir()}
        ours = {_CONFIG, f"{_CONFIG}.partial", _LOCK, _METRICS, OPEN, f"{OPEN}.partial"}
        # The empty list of metrics tells a folder of ours from a foreign one that holds a config.json.
        return sizes.keys() <= ours and (_CONFIG not in sizes or sizes.get(_METRICS) == 0)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not readable JSON; restore it or choose another --out.") from error


def _drop_broken_tail(path: Path) -> None:
    """A killed process may leave half a line at the end."""
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_atomically(path, whole)
