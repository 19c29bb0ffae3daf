"""Real trials by machine on a robot of the user's own: a file with a `HostEnv` and a `Task`, and a policy in a file."""

from pathlib import Path

import numpy as np
import pytest

from diorama.cli.main import main
from diorama.evaluate.records import EPISODES, Episodes, to_parquet
from diorama.recipes import budgeting
from diorama.recipes.book import Book, Places
from diorama.recipes.candidates import find_candidate
from diorama.recipes.describing import scripted_id
from diorama.recipes.tasks import find_task
from diorama.registry.records import BudgetEntry, Edge, Manifest
from diorama.registry.registry import Registry

SEEDS = np.arange(40)
ROBOT = """
import numpy as np
from diorama.core import ArraySpec, EnvSpec, HostEnv
from diorama.evaluate import episode_return
from diorama.recipes.tasks import Task


class Rail(HostEnv):
    rewindable = True
    spec = EnvSpec(
        name="rail",
        observation={"state": ArraySpec((1,), "m")},
        action=ArraySpec((1,), "m", -0.1, 0.1),
        control_period=0.1,
    )

    def reset(self, seeds, scenario):
        return np.stack([np.random.default_rng(seed).uniform(-0.5, 0.5, 1) for seed in seeds])

    def step(self, state, action):
        return state + action

    def observe(self, state):
        return {"state": state.astype(np.float32)}

    def reward(self, state, action, next_state):
        return -np.abs(next_state[:, 0])

    def terminal(self, state):
        return np.zeros(len(state), bool)


def arrived(trajectory):
    return np.abs(np.asarray(trajectory.observation["state"])[..., -1, 0]) < 0.05


rail = Task("rail", Rail, 10, {"return": episode_return, "arrived": arrived}, "return", success="arrived")


def towards(seen):
    return np.clip(-seen["state"], -0.1, 0.1)
"""


@pytest.fixture
def robot(tmp_path) -> Path:
    file = tmp_path / "robot.py"
    file.write_text(ROBOT + "\n\ndef policy():\n    return towards\n")
    return file


@pytest.fixture
def book(tmp_path):
    with Book(Registry.open(tmp_path / "registry"), Places(tmp_path / "registry")) as opened:
        yield opened


@pytest.fixture
def planned(book, robot) -> budgeting.Planned:
    """Trials on 12 starts of the user's policy, whose file the registry does not keep, and of the random one."""
    task = find_task(f"{robot}:rail")
    theirs = find_candidate(task, f"{robot}:policy", book=book).version
    policies = [theirs, scripted_id(book, task.name, "random")]
    world = book.registry.register(Manifest("simulator", "rail/model", {"origin": "physics"})).id
    names = {name: np.full(len(SEEDS), name, object) for name in ("item", "policy", "world", "cause")}
    for policy in policies:
        success = np.random.default_rng(0).random(len(SEEDS)) < 0.5
        table = Episodes(**names, seed=SEEDS, steps=np.full(len(SEEDS), 10), success=success, metrics={})
        blobs = {EPISODES: book.registry.add_blob(to_parquet(table))}
        edges = (Edge("evaluates", policy), Edge("evaluated_in", world))
        book.registry.register(Manifest("evaluation", "rail/evaluation", {"task": task.name}, blobs, edges))
    for purse in ("estimation", "discovery"):
        book.registry.append(BudgetEntry("lab", purse, 40.0, "trials", "test"))
    counts = {"estimation": 10, "discovery": 2}
    return budgeting.plan(book, "lab", policies, counts, seed=0, level=0.95, pay=True)


def run(book, robot, *words: str) -> int:
    place = str(book.registry.file.parent)
    return main(["budget", "run", "lab", "--world", f"{robot}:rail", *words, "--registry", place])


def test_trials_on_ones_own_robot(book, robot, planned, capsys) -> None:
    assert run(book, robot) == 2
    assert "does not keep its file; name the file" in capsys.readouterr().err
    assert not budgeting.trials_of(book, planned)  # not even those of the policy that can be had
    assert run(book, robot, "--policy", f"{robot}:policy") == 0
    assert "0 trials open" in capsys.readouterr().out
    theirs, random = (budgeting.answer_of(book, planned, policy) for policy in planned.policies)
    assert theirs.alone.value == 1.0  # from anywhere on the rail it arrives in 10 steps
    assert random.alone.value < 1.0
    before = {policy: version.id for policy, version in budgeting.trials_of(book, planned).items()}
    assert run(book, robot) == 0
    assert {policy: version.id for policy, version in budgeting.trials_of(book, planned).items()} == before


def test_a_file_that_was_changed_is_another_policy(book, robot, planned, capsys) -> None:
    robot.write_text(robot.read_text().replace("-0.1, 0.1)\n\n\ndef policy", "-0.05, 0.05)\n\n\ndef policy"))
    assert run(book, robot, "--policy", f"{robot}:policy") == 2
    assert "is none of the planned policies, or has changed" in capsys.readouterr().err
