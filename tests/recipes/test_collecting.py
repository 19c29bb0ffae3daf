"""Collecting: what is there is kept, what is missing is added, the result does not depend on interruptions."""

from pathlib import Path

import numpy as np
import pytest

from diorama.core.errors import ConfigError, DataError, SpecError
from diorama.data import Dataset
from diorama.recipes.candidates import collector
from diorama.recipes.collecting import BATCH, collect
from diorama.recipes.tasks import find_task

POINT = find_task("point-mass")


def sessions(dataset: Dataset) -> list[str]:
    return [identity.ids["session"] for identity in dataset.identities]


def test_factors_are_varied_and_recorded(tmp_path) -> None:
    dataset = collect(POINT, "random", range(6), tmp_path / "data", length=10, vary=("mass",))
    starts = dataset.starts
    masses = dataset.column("scenario.mass")
    space = POINT.env().spec.scenario
    expected = [float(space.sample(seed, ("mass",))["mass"]) for seed in range(6)]
    np.testing.assert_allclose(masses[starts].reshape(-1), expected, rtol=1e-6)
    assert len(np.unique(masses)) == 6 and np.all(dataset.column("scenario.start") == 1.0)
    velocity, action = dataset.column("observation.velocity"), dataset.column("action")
    np.testing.assert_allclose(
        velocity[starts + 1], 0.1 * action[starts] / np.reshape(expected, (6, 1)), rtol=1e-4, atol=1e-6
    )


def test_only_missing_seeds_are_appended(tmp_path) -> None:
    told: list[tuple[int, int]] = []
    collect(POINT, "random", range(3), tmp_path / "data", length=8)
    first = Dataset.open(tmp_path / "data").identity
    again = collect(POINT, "random", range(3), tmp_path / "data", length=8)
    assert again.identity == first and again.num_episodes == 3
    more = collect(
        POINT, "random", range(5), tmp_path / "data", length=8, progress=lambda done, total: told.append((done, total))
    )
    assert sessions(more) == [f"seed-{seed}" for seed in range(5)] and told == [(5, 5)]
    assert collect(POINT, "random", range(5), tmp_path / "whole", length=8).identity == more.identity


def test_the_size_of_the_last_batch_changes_no_bit(tmp_path) -> None:
    """The double pendulum's last bits differ between one world and sixteen, so every batch is run as a whole one."""
    task = find_task("double-pendulum")
    whole = collect(task, "random", range(BATCH), tmp_path / "whole", length=20)
    collect(task, "random", range(BATCH - 1), tmp_path / "parts", length=20)
    parts = collect(task, "random", range(BATCH), tmp_path / "parts", length=20)
    assert parts.identity == whole.identity


def test_another_world_is_refused_even_where_its_seeds_are_there(tmp_path) -> None:
    collect(POINT, "random", range(2), tmp_path / "data", length=5)
    with pytest.raises(DataError, match="holds episodes of 'point-mass', not of 'pendulum'"):
        collect(find_task("pendulum"), "random", range(2), tmp_path / "data", length=5)


def test_other_observations_are_refused(tmp_path) -> None:
    pytest.importorskip("gym_pusht")
    collect(find_task("push-t"), "play", range(1), tmp_path / "data", length=2)
    with pytest.raises(DataError, match="pixels"):
        collect(find_task("push-t", images=True), "play", range(1), tmp_path / "data", length=2, images="png")


def test_unknown_factors_and_actors_are_refused_before_anything_is_written(tmp_path) -> None:
    with pytest.raises(SpecError, match=r"Unknown scenario factors \['weight'\]"):
        collect(POINT, "random", range(2), tmp_path / "data", vary=("weight",))
    with pytest.raises(ConfigError, match="has no actor 'play'; it has"):
        collect(POINT, "play", range(2), tmp_path / "data")
    assert not (tmp_path / "data").exists()


OWN = """
import gymnasium
import numpy as np

class Walk(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    metadata = {"render_fps": 10}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.place, {}

    def step(self, action):
        self.place = (self.place + 0.1 * action).astype(np.float32)
        return self.place, -float(abs(self.place[0])), False, False, {}

class Nothing:
    pass

number = 3

def push(level):
    return lambda observation: np.full((len(observation["state"]), 1), level)
"""


@pytest.fixture
def own(tmp_path) -> Path:
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path / "own.py"


def test_an_environment_of_ones_own(own, tmp_path) -> None:
    dataset = collect(find_task(f"{own}:Walk"), "random", range(3), tmp_path / "data", length=6)
    place = dataset.column("observation.state")
    assert dataset.num_episodes == 3 and place.shape == (21, 1)
    np.testing.assert_allclose(place[1], place[0] + 0.1 * dataset.column("action")[0], rtol=1e-5)


def test_a_policy_of_ones_own_collects_and_the_episodes_say_which_it_was(own, tmp_path) -> None:
    task = find_task(f"{own}:Walk")
    names = []
    for level in (0.5, -0.5):
        who = collector(task, f"{own}:push(level={level})")
        made = collect(task, who.name, range(2), tmp_path / "data", policy=who.make(task.env().spec), length=3)
        names.append(who.name)
    assert [identity.ids["operator"] for identity in made.identities] == [names[0]] * 2 + [names[1]] * 2
    assert names[0] != names[1] and all(name.startswith("own.py:push ") for name in names)
    acted = made.column("action").reshape(4, -1)[:, :3]  # An episode's last row is where it ended; nobody acts there.
    np.testing.assert_allclose(acted, np.repeat([0.5, -0.5], 2)[:, None] * np.ones((1, 3)), rtol=1e-6)


def test_a_policy_that_nobody_knows_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="No policy is called 'play'; 'point-mass' knows .*random, run folders"):
        collector(POINT, "play")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("{own}:Missing", "has no 'Missing'; name a class, a function or a Task of it"),
        ("{own}:number", "has no 'number'"),
        ("{own}:Nothing", "makes a Nothing, not a gymnasium.Env; derive"),
        ("{own}x.py:Walk", "There is no file"),
        ("gym:Nowhere-v0", "Gymnasium cannot make 'gym:Nowhere-v0'"),
        ("pendulm", "No environment 'pendulm'; use one of .*'pendulum'"),
    ],
)
def test_what_is_no_environment_is_refused(own, name, sentence) -> None:
    with pytest.raises(ConfigError, match=sentence):
        find_task(name.format(own=own)).env()


def test_a_broken_file_is_named_with_its_line(tmp_path) -> None:
    (tmp_path / "broken.py").write_text("\n1 / 0\n")
    with pytest.raises(ConfigError, match=r"ZeroDivisionError.*broken.py, line 2\); mend it"):
        find_task(f"{tmp_path / 'broken.py'}:Walk")
