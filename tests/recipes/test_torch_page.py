"""The torch block of docs/evaluate/own-policy.md, as it stands there, with a stand-in for torch in its place."""

import contextlib
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from diorama.evaluate import run_episodes
from diorama.recipes.candidates import find_candidate
from diorama.recipes.tasks import find_task

PAGE = Path(__file__).resolve().parents[2] / "docs" / "evaluate" / "own-policy.md"
BLOCK = re.compile(r"```python\n(import torch\n.*?)```", re.DOTALL)


class Tensor:
    """No NumPy until it is detached and on this machine, as a torch tensor with a gradient on a device."""

    def __init__(self, data, ready: int = 0) -> None:
        self.data, self.ready = data, ready

    def detach(self):
        return Tensor(self.data, self.ready + 1)

    def cpu(self):
        return Tensor(self.data, self.ready + 1)

    def __array__(self, dtype=None, copy=None):
        assert self.ready == 2
        return np.asarray(self.data, dtype)


@pytest.fixture
def torch(monkeypatch) -> list[str]:
    """A module of this name that knows what the block uses; the files that were loaded with it."""
    loaded: list[str] = []

    def load(weights: str):
        loaded.append(weights)
        return lambda tensor: Tensor(5 * np.tanh(tensor.data[:, :2]))

    stand_in = ModuleType("torch")
    stand_in.jit, stand_in.no_grad, stand_in.from_numpy = SimpleNamespace(load=load), contextlib.nullcontext, Tensor
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    return loaded


def test_the_block_acts_in_a_world(torch, tmp_path) -> None:
    (tmp_path / "mine.py").write_text(BLOCK.search(PAGE.read_text(encoding="utf-8"))[1])
    task = find_task("push-t")
    env = task.env()
    policy = find_candidate(task, f"{tmp_path / 'mine.py'}:Net(weights='other.pt')").make(env.spec)
    played = run_episodes(env, policy, np.arange(3), 4)
    assert torch == ["other.pt"]
    expected = 5 * np.tanh(played.observation["features"][:, :-1, :2])
    np.testing.assert_allclose(played.action[np.asarray(played.mask)], expected[np.asarray(played.mask)], rtol=1e-6)
