"""What a piece of work took: wall clock, device seconds, processor seconds, peak memory, energy with its source."""

import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from diorama.core.canonical import from_json, to_json
from diorama.registry.energy import NONE, Counter, Energy, EnergyWindow

_ROUND = 6


@dataclass(frozen=True)
class Resources:
    """Seconds, joules and bytes of a piece of work.

    ``device_s``: accelerators held times seconds, 0 where the processor did the work. ``cpu_s``: of this process and
    its finished children. ``peak_bytes``: the most memory that the process has held so far in its life. ``joules`` is
    None where ``energy_source`` is ``none``; ``energy_window_s`` says over how long it was measured. ``steps``: updates
    or episodes done. ``whole``: False where an earlier attempt was killed and left no record of what it took.
    """

    wall_s: float = 0.0
    device_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0
    joules: float | None = None
    energy_source: str = NONE
    energy_window_s: float = 0.0
    device: str = ""
    steps: int = 0
    whole: bool = True

    def plus(self, other: "Resources") -> "Resources":
        """Both together. Joules are only known where both are, from one source; else the sum is unknown."""
        known = self.joules is not None and other.joules is not None and self.energy_source == other.energy_source
        return Resources(
            wall_s=round(self.wall_s + other.wall_s, _ROUND),
            device_s=round(self.device_s + other.device_s, _ROUND),
            cpu_s=round(self.cpu_s + other.cpu_s, _ROUND),
            peak_bytes=max(self.peak_bytes, other.peak_bytes),
            joules=round(self.joules + other.joules, _ROUND) if known else None,
            energy_source=self.energy_source if known else NONE,
            energy_window_s=round(self.energy_window_s + other.energy_window_s, _ROUND),
            device=self.device or other.device,
            steps=self.steps + other.steps,
            whole=self.whole and other.whole,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return to_json(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Resources":
        """Back from `to_json`. Raises `ConfigError` for unknown names and wrong types."""
        return from_json(Resources, data)


class Stopwatch:
    """From its making to `stop`: what this process took.

    ``device``: what did the work, in words; ``devices``: how many accelerators are held, 0 on a processor.
    ``counter``: of joules (see `open_counter`), None for no energy.
    """

    def __init__(
        self,
        counter: Counter | None = None,
        *,
        device: str = "",
        devices: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counter, self._device, self._devices, self._clock = counter, device, devices, clock
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._begun, self._cpu = self._clock(), _cpu_seconds()
        self._energy = EnergyWindow(self._counter, self._clock)

    def stop(self, steps: int = 0) -> Resources:
        """What was taken so far."""
        wall, energy = self._clock() - self._begun, self._energy.stop()
        taken = Resources(
            wall_s=round(wall, _ROUND),
            device_s=round(self._devices * wall, _ROUND),
            cpu_s=round(_cpu_seconds() - self._cpu, _ROUND),
            peak_bytes=_peak_bytes(),
            device=self._device,
            steps=steps,
        )
        return _with_energy(taken, energy)


def _with_energy(taken: Resources, energy: Energy) -> Resources:
    joules = None if energy.joules is None else round(energy.joules, _ROUND)
    window = round(energy.window_s, _ROUND)
    return replace(taken, joules=joules, energy_source=energy.source, energy_window_s=window)


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_bytes() -> int:
    """``ru_maxrss`` is in KiB, on macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
