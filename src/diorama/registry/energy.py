"""Joules of a stretch of time, with where the figure comes from. Where nothing can be measured there is no figure.

A reading carries its source: ``nvml_counter`` (the device's own counter), ``rapl`` (the processor's, where the system
lets it be read), ``tdp_estimate`` (stated watts times seconds, only where somebody stated them), ``none``. Counters
count the whole device, other programs on it included. Sources: NVML reference, ``nvmlDeviceGetTotalEnergyConsumption``;
Linux kernel, Documentation/power/powercap.
"""

import abc
import contextlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diorama.core.errors import ConfigError

NVML, RAPL, ESTIMATE, NONE = "nvml_counter", "rapl", "tdp_estimate", "none"
SOURCES = (NVML, RAPL, ESTIMATE, NONE)
POWERCAP = Path("/sys/class/powercap")
_PACKAGE = re.compile(r"intel-rapl:\d+")
_MICRO, _MILLI = 1e-6, 1e-3


@dataclass(frozen=True)
class Energy:
    """What a stretch of time took. ``joules`` is None where the source is ``none``; ``window_s`` in seconds."""

    joules: float | None
    source: str
    window_s: float
    device: str = ""


class Counter(abc.ABC):
    """Something that counts joules. ``least``: the shortest window [s] in which its figure is more than noise."""

    source: str
    device: str
    least: float

    @abc.abstractmethod
    def read(self) -> tuple[float, ...]:
        """One reading [J] for each part of the device. Raises `OSError` where it can no longer be read."""

    @abc.abstractmethod
    def wraps(self) -> tuple[float, ...]:
        """At how many joules each part starts again from zero; 0.0 where it never does."""


class NvmlCounter(Counter):
    """The counters of all NVIDIA devices that NVML shows; they change about every 100 ms."""

    source, least = NVML, 1.0

    def __init__(self, library: Any) -> None:
        self._library = library
        handles = [library.nvmlDeviceGetHandleByIndex(k) for k in range(library.nvmlDeviceGetCount())]
        # Devices before Volta have no counter; the call says so at once, and the caller then looks elsewhere.
        self._handles = [handle for handle in handles if library.nvmlDeviceGetTotalEnergyConsumption(handle) >= 0]
        self.device = ", ".join(_text(library.nvmlDeviceGetName(handle)) for handle in self._handles)

    def read(self) -> tuple[float, ...]:
        """See `Counter.read`."""
        try:
            return tuple(self._library.nvmlDeviceGetTotalEnergyConsumption(h) * _MILLI for h in self._handles)
        except self._library.NVMLError as error:
            raise OSError(f"NVML no longer answers: {error}") from error

    def wraps(self) -> tuple[float, ...]:
        """It counts in 64 bits from the loading of the driver and never starts again."""
        return (0.0,) * len(self._handles)


class RaplCounter(Counter):
    """The counters of the processor packages under ``powercap``, where they may be read (mostly by root)."""

    source, least = RAPL, 0.05

    def __init__(self, zones: Sequence[Path]) -> None:
        self._zones = tuple(zones)
        self.device = ", ".join((zone / "name").read_text().strip() for zone in self._zones)

    def read(self) -> tuple[float, ...]:
        """See `Counter.read`."""
        return tuple(_number(zone / "energy_uj") * _MICRO for zone in self._zones)

    def wraps(self) -> tuple[float, ...]:
        """The range that the kernel names for each package."""
        return tuple(_number(zone / "max_energy_range_uj") * _MICRO for zone in self._zones)


class Stated(Counter):
    """Watts that somebody stated, times seconds: an estimate, and called one."""

    source, least = ESTIMATE, 0.0

    def __init__(self, watts: float, clock: Callable[[], float] = time.monotonic) -> None:
        if not 0.0 < watts < float("inf"):
            raise ConfigError(f"A stated power of {watts} W is none; state a positive number of watts or leave it out.")
        self._watts, self._clock, self.device = watts, clock, f"stated {watts:g} W"

    def read(self) -> tuple[float, ...]:
        """See `Counter.read`."""
        return (self._watts * self._clock(),)

    def wraps(self) -> tuple[float, ...]:
        """Never."""
        return (0.0,)


class EnergyWindow:
    """From its making to `stop`: what the counter counted; None counts nothing."""

    def __init__(self, counter: Counter | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter, self._clock = counter, clock
        self._begun, self._first = clock(), _reading(counter)

    def stop(self) -> Energy:
        """The energy so far; the window stays open. A window too short to measure, or a lost counter, has none."""
        window = self._clock() - self._begun
        last = _reading(self._counter)
        if self._counter is None or window < self._counter.least or not self._first or len(last) != len(self._first):
            return Energy(None, NONE, window)
        spent = [_spent(a, b, wrap) for a, b, wrap in zip(self._first, last, self._counter.wraps(), strict=True)]
        if any(joules is None for joules in spent):
            return Energy(None, NONE, window)
        return Energy(sum(spent), self._counter.source, window, self._counter.device)


def open_counter(watts: float | None = None, powercap: Path = POWERCAP) -> Counter | None:
    """The best counter there is: NVML, else RAPL, else the stated ``watts``, else None. Never raises for hardware."""
    if found := _nvml():
        return found
    if zones := _readable(powercap):
        return RaplCounter(zones)
    return None if watts is None else Stated(watts)


def _nvml() -> NvmlCounter | None:
    """None without the library, the driver, a device, or a counter in each device."""
    try:
        import pynvml
    except ImportError:
        return None
    with contextlib.suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        counter = NvmlCounter(pynvml)
        return counter if counter.device else None
    return None


def _readable(powercap: Path) -> list[Path]:
    """Whole packages only: their parts are counted in them, and ``psys`` would count them twice."""
    try:
        zones = sorted(zone for zone in powercap.iterdir() if _PACKAGE.fullmatch(zone.name))
        return [zone for zone in zones if _is_package(zone) and _number(zone / "energy_uj") >= 0]
    except (OSError, ValueError):
        return []


def _is_package(zone: Path) -> bool:
    return (zone / "name").read_text().startswith("package")


def _reading(counter: Counter | None) -> tuple[float, ...]:
    try:
        return counter.read() if counter else ()
    except (OSError, ValueError):
        return ()


def _spent(first: float, last: float, wrap: float) -> float | None:
    """A counter that went back has started again, once at most; where it never does, it was reset."""
    if last >= first:
        return last - first
    return last + wrap - first if wrap else None


def _number(path: Path) -> int:
    return int(path.read_text())


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
