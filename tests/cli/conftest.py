"""One small loop through the command line, in this process, shared by the tests."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from diorama.cli.main import main
from diorama.models.config import ENSEMBLE_SIZES
from diorama.policies.config import ACTOR_SIZES
from diorama.recipes.presets import WORLDS

TINY = """
from diorama.models.config import ENSEMBLE_SIZES
from diorama.policies.config import ACTOR_SIZES
from diorama.recipes.presets import WORLDS
ENSEMBLE_SIZES["nano"], ACTOR_SIZES["nano"], WORLDS["nano"] = (2, 24, 1), (16, 16), 8
"""
"""Makes the size ``nano`` smaller than it is: these tests look at files and messages, not at what is learned."""


def command(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def diorama():
    """The command line in this process: ``diorama("collect", "pendulum", "--out", path)`` gives the exit code."""
    return command


@pytest.fixture(scope="session")
def tiny() -> str:
    """The program text that makes ``nano`` tiny, for other processes."""
    return TINY


@contextlib.contextmanager
def shrunk() -> Iterator[None]:
    before = [(table, table["nano"]) for table in (ENSEMBLE_SIZES, ACTOR_SIZES, WORLDS)]
    exec(TINY, {})
    try:
        yield
    finally:
        for table, size in before:
            table["nano"] = size


@pytest.fixture(scope="module", autouse=True)
def _tiny_nano() -> Iterator[None]:
    with shrunk():
        yield


@pytest.fixture(scope="session")
def loop(tmp_path_factory) -> Path:
    """A folder with ``data``, ``fit``, ``train`` and ``scores.json`` of the point mass."""
    with shrunk():
        return whole_loop(tmp_path_factory.mktemp("loop"))


def whole_loop(folder: Path) -> Path:
    data, fitted, trained = folder / "data", folder / "fit", folder / "train"
    size = ("--size", "nano")
    assert command("collect", "point-mass", "--out", data, "--episodes", 24, "--length", 25, "--vary", "start") == 0
    assert command("fit", data, "--out", fitted, *size, "--updates", 200) == 0
    assert command("train", fitted, "--dataset", data, "--out", trained, *size, "--updates", 100) == 0
    scores = folder / "new" / "scores.json"
    test = ("--env", "point-mass", "--episodes", 40, "--length", 30, "--against", "random")
    assert command("evaluate", trained, *test, "--out", scores) == 0
    return folder
