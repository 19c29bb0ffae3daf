"""What a small dataset, one without rewards, or an odd file of the user's must not do: waste the training, or crash."""

from pathlib import Path

import numpy as np
import pytest

from diorama.core.canonical import to_json
from diorama.core.errors import DataError
from diorama.data import Dataset, DatasetWriter
from diorama.learn.progress import silent
from diorama.recipes.loop import fit_world, imagined_from
from diorama.recipes.presets import world_config
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.tasks import find_task

FEATURES = {
    "observation.state": {"dtype": "float32", "shape": [2], "names": None},
    "action": {"dtype": "float32", "shape": [1], "names": None},
}


def recorded(path: Path, lengths: tuple[int, ...]) -> Dataset:
    rng = np.random.default_rng(0)
    with DatasetWriter(path, fps=10, features=FEATURES) as writer:
        for length in lengths:
            action = rng.uniform(-1, 1, (length, 1)).astype(np.float32)
            state = np.cumsum(np.repeat(action, 2, axis=1), axis=0)
            writer.append({"observation.state": state, "action": action}, task="move")
    return Dataset.open(path)


def test_a_few_short_episodes_still_make_an_examined_world(tmp_path: Path) -> None:
    dataset = recorded(tmp_path / "data", (9, 8, 7))
    config = world_config("nano", seed=0, updates=4)
    with RunFolder(tmp_path / "run", to_json(config)) as run:
        model = fit_world(run, dataset, config, silent)
        assert run.finished("fit")
    with pytest.raises(DataError, match=r"no next\.reward.*give imagined_from a reward"):
        imagined_from(model, dataset)
    imagined_from(model, dataset, reward=lambda before, action, after: -(after["state"][0] ** 2))


def test_too_few_episodes_are_refused_before_anything_is_learned(tmp_path: Path) -> None:
    dataset = recorded(tmp_path / "data", (9, 9))
    config = world_config("nano", seed=0, updates=4)
    with RunFolder(tmp_path / "run", to_json(config)) as run, pytest.raises(DataError, match="a world needs three"):
        fit_world(run, dataset, config, silent)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_file_of_the_user_may_hold_dataclasses(tmp_path: Path) -> None:
    """With postponed annotations ``dataclasses`` looks the module up by its name."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from gymnasium.envs.classic_control import PendulumEnv\n"
        "@dataclass\n"
        "class Settings:\n"
        "    length: int = 3\n"
        "def make():\n"
        "    return PendulumEnv()\n"
    )
    assert find_task(f"{file}:make").env().spec.action.size == 1
