"""Equal keys mean equal work."""

import importlib.metadata
from pathlib import Path

import pytest

from diorama.core.errors import ConfigError, DataError
from diorama.registry import actions
from diorama.registry.actions import Action, code_digest, lock_digest

ONE, TWO = "1" * 64, "2" * 64
BASE = Action({"verb": "train", "rate": 0.1}, {"world": (ONE,), "dataset": (TWO, ONE)}, (0,), "c", "l")


def test_the_key_is_the_same_for_the_same_work() -> None:
    again = Action(
        {"rate": 0.1, "verb": "train"}, {"dataset": (ONE, TWO), "world": (ONE,), "judge": ()}, (0,), "c", "l"
    )
    assert BASE.key() == again.key() and len(BASE.key()) == 64


@pytest.mark.parametrize(
    "changed",
    [
        {"command": {"verb": "train", "rate": 0.2}},
        {"inputs": {"world": (TWO,), "dataset": (TWO, ONE)}},
        {"inputs": {"dataset": (ONE,), "world": (TWO, ONE)}},
        {"seeds": (1,)},
        {"code": "d"},
        {"lock": "m"},
    ],
)
def test_whatever_could_change_the_result_changes_the_key(changed) -> None:
    values = {name: getattr(BASE, name) for name in ("command", "inputs", "seeds", "code", "lock")}
    assert Action(**(values | changed)).key() != BASE.key()


def test_a_command_that_is_no_json_is_refused() -> None:
    with pytest.raises(ConfigError):
        Action({"folder": Path("runs")}).key()


def test_code_is_its_files_wherever_they_lie(tmp_path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for root in (first, second):
        (root / "nn").mkdir(parents=True)
        (root / "nn" / "layer.py").write_text("x = 1\n")
        (root / "notes.txt").write_text(str(root))
    assert code_digest(root=first) == code_digest(root=second)
    (second / "nn" / "layer.py").write_text("x = 2\n")
    assert code_digest(root=first) != code_digest(root=second)
    (second / "nn" / "layer.py").rename(second / "nn" / "other.py")
    (second / "nn" / "other.py").write_text("x = 1\n")
    assert code_digest(root=first) != code_digest(root=second)
    assert code_digest([first / "notes.txt"], first) != code_digest(root=first)
    with pytest.raises(DataError, match="cannot be read"):
        code_digest([first / "missing.py"], first)


def test_a_distribution_that_another_package_finds_is_described_too() -> None:
    found = importlib.metadata.distribution("numpy")

    class Foreign:
        version, requires, read_text = found.version, found.requires, found.read_text

    assert actions._described(Foreign()) == actions._described(found)


def test_code_and_lock_of_this_installation() -> None:
    assert code_digest() == code_digest() and len(code_digest()) == 64
    assert lock_digest() == lock_digest() and len(lock_digest()) == 64
