"""A process that is killed or interrupted in the middle: the same command goes on and ends with the same artifact."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import diorama
from diorama.data import Dataset

# Whoever runs the tests in the background of a shell ignores SIGINT, and so would the process.
PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from diorama.cli.main import main
raise SystemExit(main())
"""
SOURCE = Path(diorama.__file__).parents[1]
# A collection would end between two looks at its folder, where the machine pauses for a second.
SLOWLY = """
import time
from diorama.data import DatasetWriter
append = DatasetWriter.append
def slowly(self, *given, **named):
    time.sleep(0.06)
    return append(self, *given, **named)
DatasetWriter.append = slowly
"""


@pytest.fixture
def stopped(tiny):
    """Runs a command in a process of its own and sends it a signal as soon as it is ``ready``."""
    return functools.partial(stop, tiny)


def stop(tiny: str, arguments: list, ready: Callable[[], bool], number: signal.Signals) -> tuple[int, str]:
    words = [sys.executable, "-c", tiny + PROGRAM, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with process:
        end = time.monotonic() + 120
        while not ready() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(number)
        return process.wait(60), process.stderr.read()


def steps(folder: Path) -> list[int]:
    path = folder / "metrics.jsonl"
    return [json.loads(line)["step"] for line in path.read_text().splitlines()] if path.exists() else []


def weights(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


def finished(data: Path) -> int:
    """Episodes that are whole on disk, merged or not; a folder may go away while it is read."""
    names = (name for _, _, files in os.walk(data) for name in files)
    return sum(name.startswith("episode-") and name.endswith(".parquet") for name in names)


def test_a_collection_is_interrupted_then_killed_then_ends(tmp_path, tiny, diorama) -> None:
    most, stopped = 400, functools.partial(stop, tiny + SLOWLY)
    sizes = ("--episodes", most, "--length", 25)
    command = ["collect", "point-mass", "--out", tmp_path / "data", *sizes]
    code, said = stopped(command, lambda: finished(tmp_path / "data") >= 3, signal.SIGINT)
    assert (code, said) == (130, "interrupted: finished work is kept; the same command continues.\n")
    kept = Dataset.open(tmp_path / "data").num_episodes
    assert 3 <= kept < most
    code, _ = stopped(command, lambda: finished(tmp_path / "data") >= 20, signal.SIGKILL)
    assert code == -signal.SIGKILL
    more = Dataset.open(tmp_path / "data").num_episodes
    assert kept + 20 <= more < most
    assert diorama(*command) == 0
    assert diorama("collect", "point-mass", "--out", tmp_path / "whole", *sizes) == 0
    assert Dataset.open(tmp_path / "data").identity == Dataset.open(tmp_path / "whole").identity


def test_a_killed_fit_ends_with_the_same_world(tmp_path, loop, stopped, diorama) -> None:
    command = ["fit", loop / "data", "--size", "nano", "--updates", 900]
    code, _ = stopped([*command, "--out", tmp_path / "cut"], lambda: bool(steps(tmp_path / "cut")), signal.SIGKILL)
    assert code == -signal.SIGKILL and 100 in steps(tmp_path / "cut") and 900 not in steps(tmp_path / "cut")
    assert diorama(*command, "--out", tmp_path / "cut") == 0
    assert diorama(*command, "--out", tmp_path / "whole") == 0
    assert weights(tmp_path / "cut" / "world") == weights(tmp_path / "whole" / "world")
    assert (tmp_path / "cut" / "exam.json").read_bytes() == (tmp_path / "whole" / "exam.json").read_bytes()


def test_a_killed_training_ends_with_the_same_policy(tmp_path, loop, stopped, diorama) -> None:
    command = ["train", loop / "fit", "--dataset", loop / "data", "--size", "nano", "--updates", 400]
    code, _ = stopped([*command, "--out", tmp_path / "cut"], lambda: bool(steps(tmp_path / "cut")), signal.SIGKILL)
    assert code == -signal.SIGKILL and 50 in steps(tmp_path / "cut") and 400 not in steps(tmp_path / "cut")
    assert diorama(*command, "--out", tmp_path / "cut") == 0
    assert diorama(*command, "--out", tmp_path / "whole") == 0
    assert weights(tmp_path / "cut" / "policy") == weights(tmp_path / "whole" / "policy")
