"""Policies in many worlds: the same table wherever the items run, and nothing is done twice."""

import gc

import numpy as np
import pytest

from diorama.evaluate.executors import find_place
from diorama.evaluate.running import Store
from diorama.models import EnsembleConfig, build, save
from diorama.recipes.candidates import find_candidate
from diorama.recipes.evaluating import Item, Plan, evaluate_many, items_of
from diorama.recipes.tasks import find_task
from diorama.recipes.worlds import find_world

PLAN = Plan((400_000, 400_001, 400_002), 5, {"mass": (0.8, 1.0, 1.2)}, batch=2)


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """The point mass, a world of it that nobody fitted, and two policies."""
    task = find_task("point-mass")
    place = tmp_path_factory.mktemp("evaluating") / "world"
    config = EnsembleConfig("nano")
    save(place, build(config, task.env().spec, 0), config)
    (place.parent / "own.py").write_text(
        "class Towards:\n    def __call__(self, observation):\n        return -0.5 * observation['position']\n"
    )
    worlds = [find_world(task, name) for name in ("point-mass", str(place))]
    return task, [find_candidate(task, "random")], worlds, place.parent


def test_every_policy_meets_every_world_on_the_same_seeds(setting, tmp_path) -> None:
    task, policies, worlds, _ = setting
    told = []
    table = evaluate_many(task, policies, worlds, PLAN, Store(tmp_path), told=lambda *at: told.append(at))
    assert told[-1] == (4, 4) and len(table) == 6 and not table.judged
    for world in worlds:
        part = table.of("random", world.name)
        assert part.seed.tolist() == list(PLAN.seeds) and (part.steps <= 5).all() and (part.wall_s > 0).all()
        np.testing.assert_allclose(part.factors["mass"], [0.8, 1.0, 1.2])
    again = evaluate_many(task, policies, worlds, PLAN, Store(tmp_path))
    np.testing.assert_array_equal(again.wall_s, table.wall_s)


# Ray leaves the processes of its node to the operating system, and Python warns of each when it forgets them.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_other_processes_give_the_same(setting, tmp_path) -> None:
    task, policies, worlds, _ = setting
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    one = evaluate_many(task, policies, worlds[1:], PLAN, here)
    two = evaluate_many(task, policies, worlds[1:], PLAN, there, place=find_place("ray:1"))
    for name, values in one._columns().items():
        if not name.endswith(("wall_s", "device_s")):
            np.testing.assert_array_equal(two._columns()[name], values, name)
    gc.collect()


def test_the_key_of_an_item_says_what_it_depends_on(setting) -> None:
    task, policies, worlds, _ = setting
    items = [item for part in items_of(task, policies, worlds, PLAN).values() for item in part]
    assert len({item.key for item in items}) == 4
    first = items[0]
    moved = Item(**{**vars(first), "policy": "/elsewhere", "names": ("a", "b")})
    assert moved.key == first.key
    for change in ({"seeds": (1, 2)}, {"length": 6}, {"scenario": {}}, {"made_of": {"policy": "other"}}):
        assert Item(**{**vars(first), **change}).key != first.key


def test_a_policy_of_ones_own_in_a_learned_world(setting, tmp_path) -> None:
    task, _, worlds, folder = setting
    own = find_candidate(task, f"{folder / 'own.py'}:Towards")
    table = evaluate_many(task, [own], worlds[1:], PLAN, Store(tmp_path))
    assert len(table) == 3 and np.isfinite(table.metrics["return"]).all()
