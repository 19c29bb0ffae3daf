"""Joules come with their source, and where nothing can be measured there is no figure."""

import math
import sys
import types
from pathlib import Path

import pytest

from diorama.core.errors import ConfigError
from diorama.registry.energy import EnergyWindow, NvmlCounter, RaplCounter, Stated, open_counter
from diorama.registry.resources import Resources, Stopwatch


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Nvml(types.ModuleType):
    """As much of ``pynvml`` as is used: two devices whose counters [mJ] the test sets."""

    class NVMLError(Exception):
        pass

    def __init__(self, devices: int = 2, broken: bool = False) -> None:
        super().__init__("pynvml")
        self.millijoules, self.broken = [5_000] * devices, broken

    def nvmlInit(self) -> None:  # noqa: N802
        if self.broken:
            raise self.NVMLError("driver not loaded")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.millijoules)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes:  # noqa: N802
        return b"Device %d" % handle

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802
        if self.broken:
            raise self.NVMLError("GPU is lost")
        return self.millijoules[handle]


def powercap(folder: Path, joules: dict[str, float], reach: float = 1000.0) -> Path:
    for zone, (name, value) in zip(("intel-rapl:0", "intel-rapl:1", "intel-rapl:2"), joules.items(), strict=False):
        (folder / zone).mkdir(parents=True, exist_ok=True)
        (folder / zone / "name").write_text(name + "\n")
        (folder / zone / "energy_uj").write_text(f"{value * 1e6:.0f}\n")
        (folder / zone / "max_energy_range_uj").write_text(f"{reach * 1e6:.0f}\n")
    return folder


def test_the_devices_counter_is_a_difference_over_all_devices() -> None:
    library, clock = Nvml(), Clock()
    window = EnergyWindow(NvmlCounter(library), clock)
    library.millijoules, clock.now = [6_500, 5_250], 110.0
    found = window.stop()
    assert (found.joules, found.source, found.window_s) == (pytest.approx(1.75), "nvml_counter", 10.0)
    assert found.device == "Device 0, Device 1"


def test_a_window_shorter_than_the_counter_can_tell_has_no_figure() -> None:
    library, clock = Nvml(), Clock()
    window = EnergyWindow(NvmlCounter(library), clock)
    library.millijoules, clock.now = [9_000, 9_000], 100.5
    found = window.stop()
    assert (found.joules, found.source, found.window_s) == (None, "none", 0.5)


def test_a_device_that_is_lost_or_reset_has_no_figure() -> None:
    library, clock = Nvml(), Clock()
    window = EnergyWindow(NvmlCounter(library), clock)
    clock.now, library.millijoules = 110.0, [6_000, 10]
    assert window.stop().joules is None
    library.broken = True
    assert window.stop().source == "none"


def test_rapl_counts_packages_once_and_over_the_wrap(tmp_path) -> None:
    folder = powercap(tmp_path, {"package-0": 990.0, "psys": 5.0, "package-1": 10.0})
    clock, counter = Clock(), open_counter(powercap=folder)
    assert isinstance(counter, RaplCounter) and counter.device == "package-0, package-1"
    window = EnergyWindow(counter, clock)
    powercap(folder, {"package-0": 30.0, "psys": 9.0, "package-1": 15.0})
    clock.now = 102.0
    found = window.stop()
    assert found.joules == pytest.approx(40.0 + 5.0) and found.source == "rapl"


def test_the_estimate_is_only_made_where_watts_are_stated(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(broken=True))
    assert open_counter(powercap=tmp_path / "missing") is None
    clock = Clock()
    assert open_counter(65.0, tmp_path / "missing").source == "tdp_estimate"
    window = EnergyWindow(Stated(65.0, clock), clock)
    clock.now += 2.0
    assert window.stop().joules == pytest.approx(130.0)
    for watts in (0.0, -3.0, math.inf, math.nan):
        with pytest.raises(ConfigError, match="positive number of watts"):
            Stated(watts)


def test_measuring_comes_before_estimating(tmp_path, monkeypatch) -> None:
    folder = powercap(tmp_path, {"package-0": 1.0})
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(devices=0))
    assert open_counter(65.0, folder).source == "rapl"
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())
    assert open_counter(65.0, folder).source == "nvml_counter"


def test_a_counter_that_may_not_be_read_is_none(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(broken=True))
    folder = powercap(tmp_path, {"package-0": 1.0})
    (folder / "intel-rapl:0" / "energy_uj").write_text("not a number")
    assert open_counter(powercap=folder) is None


def test_a_stopwatch_says_what_was_taken() -> None:
    clock = Clock()
    watch = Stopwatch(Stated(10.0, clock), device="two accelerators", devices=2, clock=clock)
    clock.now += 3.0
    taken = watch.stop(steps=7)
    assert (taken.wall_s, taken.device_s, taken.steps, taken.device) == (3.0, 6.0, 7, "two accelerators")
    assert taken.joules == pytest.approx(30.0) and taken.energy_source == "tdp_estimate"
    assert taken.cpu_s >= 0.0 and taken.peak_bytes > 10 * 2**20
    assert Resources.from_json(taken.to_json()) == taken
    watch.restart()
    assert watch.stop().wall_s == 0.0


def test_energy_that_is_known_for_one_part_only_is_not_known() -> None:
    known = Resources(wall_s=2.0, joules=4.0, energy_source="rapl", steps=1)
    assert known.plus(known) == Resources(wall_s=4.0, joules=8.0, energy_source="rapl", steps=2)
    sum_ = known.plus(Resources(wall_s=1.0, whole=False))
    assert (sum_.joules, sum_.energy_source, sum_.wall_s, sum_.whole) == (None, "none", 3.0, False)
    assert known.plus(Resources(joules=1.0, energy_source="nvml_counter")).joules is None
