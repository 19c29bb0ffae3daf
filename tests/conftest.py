"""What every test runs under: strict JAX, no screen, no network, one compilation cache."""

import os
import pathlib
import socket
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOOPBACK = ("127.", "::1", "localhost")
# XLA compiles faster with less optimisation; tests compile much and compute little (figures in LOG.md).
COMPILE_FAST = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false"
)

MAPS = 20_000
"""Of at most 65,530 on Linux as it comes; a file of tests adds up to some thousand."""

os.environ.setdefault("XLA_FLAGS", COMPILE_FAST)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# Silent broadcasting between ranks hides wrong axes. Dtype promotion stays "standard": under "strict" a bool mask
# cannot multiply a float reward and optax's schedules cannot add an integer step to a float.
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
os.environ.setdefault("DIORAMA_REGISTRY", "none")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("MUJOCO_GL", "egl")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object | None:
    """Give each file to one worker, for its tests share what its fixtures make; pages of the docs share nothing.

    The mark `xdist_group` says the same, but pytest-xdist 3.8 loses it under pytest 9.2 (its issue 1386), silently.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        """Files in the order of collection, pages of the docs last: small pieces even out the end."""

        def _split_scope(self, nodeid: str) -> str:
            return nodeid if nodeid.startswith("tests/docs/test_blocks.py") else nodeid.split("::", 1)[0]

    config.option.loadscopereorder = False  # it would sort files by their number of tests
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the pages of the docs last: they are small pieces, which even out the end."""
    items.sort(key=lambda item: item.path.name == "test_blocks.py")


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Drop compiled programs when there are many: each takes memory maps; a process that runs out of them crashes.

    Not within a file, whose tests share them; pages of the docs do not.
    """
    within = nextitem is not None and nextitem.path == item.path and item.path.name != "test_blocks.py"
    if not within and "jax" in sys.modules and _memory_maps() > MAPS:
        sys.modules["jax"].clear_caches()


def _memory_maps() -> float:
    """How many memory maps this process has; infinite where that cannot be read."""
    try:
        return pathlib.Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:
        return float("inf")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that reaches beyond this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(LOOPBACK):
            raise RuntimeError(f"A test tried to reach {address}; tests run without a network.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
