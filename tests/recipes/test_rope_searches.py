"""Searches for plans of rope tasks: they go down a hill that is known, and end with a success that the judge sees."""

import sys
from pathlib import Path
from types import ModuleType

import jax
import numpy as np
import pytest

from diorama.core.canonical import canonical
from diorama.core.files import write_atomically
from diorama.envs.rope.tasks import TRAINING, make_task, scripted

pytest.importorskip("numba")
pytest.importorskip("cma")
FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "rope_tasks"


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        import run

        yield run
        for name in ("run", "searches", "trials"):
            del sys.modules[name]


@pytest.fixture(scope="module")
def searches(runner: ModuleType) -> ModuleType:
    return sys.modules["searches"]


class Bowl:
    """Stands in for trials: the cost is how far the plan's way ends from a place, and 0.2 is a success."""

    def __init__(self, budget: int) -> None:
        self.budget, self.seed, self.shape = budget, 3, (7, 2)
        self.used, self.record, self.stage, self.solved_in, self.way = 0, np.inf, "", "", 0.0
        self.aim, self.floor, self.tried, self.ways = np.array([1.5, -0.7]), 0.0, [], set()

    @property
    def over(self) -> bool:
        return self.record < 0.2 or self.used >= self.budget

    def costs(self, plans: np.ndarray) -> np.ndarray:
        self.used += len(plans)
        self.tried.extend(plans)
        self.ways.add(self.way)
        found = np.maximum(np.linalg.norm(plans.sum(1) - self.aim, axis=-1), self.floor)
        self.record = min(self.record, found.min())
        return found

    def slopes(self, plans: np.ndarray, gentle: object) -> np.ndarray:
        self.used += 5 * len(plans)
        away = plans.sum(1) - self.aim
        return np.repeat((away / np.linalg.norm(away, axis=-1, keepdims=True))[:, None], self.shape[0], 1)


@pytest.mark.parametrize("name", ["cma-es", "gradient", "cma-es, then gradient", "gradient, then cma-es"])
def test_a_search_goes_down_a_hill_and_stops(searches: ModuleType, name: str) -> None:
    bowl = Bowl(400)
    searches.SEARCHES[name](bowl)
    assert bowl.record < 0.2
    assert bowl.used < bowl.budget


def test_a_search_without_success_spends_its_budget_and_little_more(searches: ModuleType) -> None:
    bowl = Bowl(200)

    def flat(plans: np.ndarray) -> np.ndarray:
        bowl.used += len(plans)
        return np.ones(len(plans))

    bowl.costs = flat
    searches.SEARCHES["gradient"](bowl)
    assert 200 <= bowl.used < 212


@pytest.mark.parametrize("name", ["cma-es", "gradient, then cma-es"])
def test_a_larger_budget_begins_as_a_smaller_one_and_sees_the_way_later(searches: ModuleType, name: str) -> None:
    bowls = [Bowl(400), Bowl(800)]
    for bowl in bowls:
        bowl.floor = 0.5  # no plan succeeds
        searches.SEARCHES[name](bowl)
    small, large = (np.stack(bowl.tried) for bowl in bowls)
    np.testing.assert_array_equal(large[: len(small)], small)
    assert bowls[0].ways == {0.0} and bowls[1].ways == {0.0, 1.0}


def test_way_points_are_displacements_at_full_speed_and_the_last_decision_is_still(searches: ModuleType) -> None:
    base = searches.basis(11, 5)
    np.testing.assert_allclose(np.cumsum(base @ np.arange(1.0, 6.0))[1::2], [2.0, 4.0, 6.0, 8.0, 10.0], rtol=1e-6)
    assert not base[-1].any()
    assert searches.basis(5, 5).shape == (5, 4)


def test_an_episode_that_succeeds_ends_the_trials_and_the_judge_agrees(
    searches: ModuleType, runner: ModuleType
) -> None:
    world = make_task("slingshot")
    start = world.reset(world.spec.scenario.default(), jax.random.key(TRAINING[0]))
    trials = searches.Trials(world, start, 90, TRAINING[0])
    by_hand = scripted(world.task, start.scene.body.position, start.scene.goal) / world.task.config.speed
    plans = np.stack([trials.plan(0.0), np.asarray(by_hand)])
    trials.stage = "by hand"
    costs = trials.costs(plans)
    assert costs[1] < 0.05 < costs[0] and trials.record == costs[1]
    assert trials.solved and trials.over and trials.solved_in == "by hand"
    np.testing.assert_array_equal(trials.best, plans[1])
    assert trials.used == 3  # two, and the one before the judge
    assert not trials.judged(plans[0])
    again = searches.Trials(world, start, 90, TRAINING[0])
    moved = np.stack([trials.plan(0.0), trials.plan(0.3)])
    end, again.way = again.costs(moved), 2.0
    seen = [runner.played(world, runner.Scripted(again.actions(plan)), start, np.uint32(0)) for plan in moved]
    fallen = np.cumsum([one.reward for one in seen], -1)
    np.testing.assert_allclose(again.costs(moved), end + 2.0 * (end + fallen[:, -1] - fallen.mean(-1)), rtol=1e-4)


def test_a_larger_size_takes_over_what_a_smaller_one_solved(runner: ModuleType, tmp_path: Path) -> None:
    for seed, success in ((1, True), (2, False)):
        path = tmp_path / "nano" / "coiling" / "cma-es" / f"{seed}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, canonical({"success": success, "episodes": 7}))
    assert runner.smaller(tmp_path, "xs", "coiling", "cma-es", 1) == {"success": True, "episodes": 7}
    for size, method, seed in (("xs", "cma-es", 2), ("xs", "cma-es", 3), ("nano", "cma-es", 1), ("xs", "random", 1)):
        assert runner.smaller(tmp_path, size, "coiling", method, seed) is None


def test_a_start_that_a_larger_size_did_not_run_counts_as_the_smaller_one_left_it(
    runner: ModuleType, tmp_path: Path
) -> None:
    row = {"success": False, "left": 0.1, "episodes": 7, "cpu_s": 1.0, "stage": ""}
    for size, seed, success in (("nano", 1, False), ("nano", 2, False), ("xs", 1, True)):
        for task in runner.RELEASED:
            path = tmp_path / size / task / "cma-es" / f"{seed}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, canonical(row | {"success": success}))
    finished, least = runner.table(tmp_path, "xs").splitlines()[-2:]
    assert finished.startswith("| all eight | cma-es | 8 | 1.00")
    assert least.startswith("| all eight, at least | cma-es | 16 | 0.50")
