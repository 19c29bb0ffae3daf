"""Trust of episodes: high where the world has data, low where it has none, unknown with a reason elsewhere."""

import numpy as np
import pytest

from diorama.core.errors import ConfigError
from diorama.data import Dataset
from diorama.evaluate import run_episodes
from diorama.evaluate.records import read_episodes, to_parquet
from diorama.policies import RandomPolicy
from diorama.recipes import describing
from diorama.recipes.book import Book, Places
from diorama.recipes.collecting import collect
from diorama.recipes.evaluating import Item, scored
from diorama.recipes.lessons import Lesson, lessons
from diorama.recipes.tasks import find_task
from diorama.recipes.trusting import trusted
from diorama.registry.records import Edge, Manifest
from diorama.registry.registry import Registry
from diorama.registry.resources import Resources

LENGTH = 8


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    task = find_task("point-mass")
    dataset = collect(task, "random", range(48), tmp_path_factory.mktemp("trusting") / "data", length=LENGTH)
    return task, dataset, Lesson(str(dataset.path), 48, "d" * 64)


def test_trust_is_high_where_the_data_are_and_low_elsewhere(setting) -> None:
    task, _, lesson = setting
    env = task.env()
    known = run_episodes(env, RandomPolicy(env.spec), np.arange(1000, 1064), LENGTH)
    found = trusted("learned", lesson, "", known, env.spec, LENGTH)
    # Of episodes like the recorded ones 7.5 % are expected below 0.5; 12 of 64 or more would be a chance of 0.002.
    assert (found.values < 0.5).sum() < 12 and found.values.max() == 1.0
    assert "48 recorded episodes" in found.basis
    start = {"start": np.full(64, 3.0, np.float32)}
    strange = run_episodes(env, RandomPolicy(env.spec), np.arange(1000, 1064), LENGTH, start)
    far = np.abs(np.asarray(strange.observation["position"])[:, 0]).max(axis=1) > 2.0
    lost = trusted("learned", lesson, "", strange, env.spec, LENGTH).values[far] < 0.5
    assert lost.size > 20 and lost.mean() > 0.75


def test_elsewhere_it_is_one_or_unknown_with_a_reason(setting) -> None:
    task, dataset, lesson = setting
    env = task.env()
    played = run_episodes(env, RandomPolicy(env.spec), np.arange(64), LENGTH)
    assert trusted("real", None, "", played, env.spec, LENGTH).values.tolist() == [1.0] * 64
    assert trusted("physics", None, "", played, env.spec, LENGTH).values is None
    assert trusted("learned", None, "no registry", played, env.spec, LENGTH).basis == "no registry"
    few = Lesson(lesson.folder, 10, "e" * 64)
    assert "it takes 19" in trusted("learned", few, "", played, env.spec, LENGTH).basis
    item = Item("p", "w", "point-mass", ("p", "w"), tuple(range(64)), LENGTH)
    table = scored(task, item, played, Resources(wall_s=1.0), trusted("physics", None, "", played, env.spec, LENGTH))
    again = read_episodes(to_parquet(table))
    assert np.isnan(again.trust).all() and "physics" in again.trust_basis["w"]
    assert again.of(world="w").trust_basis == again.trust_basis and not again.of(world="v").trust_basis
    assert isinstance(dataset, Dataset)


def test_what_a_world_was_trained_on_is_found_where_it_lies(setting, tmp_path) -> None:
    _, dataset, _ = setting
    with Book(Registry.open(tmp_path), Places(tmp_path)) as book:
        data = describing.dataset_id(book, dataset)
        world = book.registry.register(Manifest("simulator", "a/w", {}, {}, (Edge("trained_on", data),))).id
        patch = book.registry.register(
            Manifest("simulator", "a/p", {}, {}, (Edge("derived_from", world, {"relation": "patch"}),))
        ).id
        assert lessons(book, patch) == (Lesson(str(dataset.path.resolve()), 48, data),)
        bare = book.registry.register(Manifest("simulator", "a/bare")).id
        with pytest.raises(ConfigError, match="no data"):
            lessons(book, bare)
        (tmp_path / "places.json").write_text("{}")
        with pytest.raises(ConfigError, match="not on this machine"):
            lessons(book, world)
