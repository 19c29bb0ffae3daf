"""A run folder registers itself stage by stage: every round rests on what it read, and nothing is registered twice."""

import json
from pathlib import Path

import pytest

from diorama.data import Dataset
from diorama.models import build as build_model
from diorama.models import save as save_model
from diorama.models.config import EnsembleConfig
from diorama.policies import Actor
from diorama.policies import save as save_policy
from diorama.policies.config import ActorConfig
from diorama.recipes.book import Book, Places
from diorama.recipes.collecting import collect
from diorama.recipes.registering import Journal, Sources
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.tasks import find_task
from diorama.registry.recording import build_of, inputs_of
from diorama.registry.registry import Registry

SOURCES = Sources("point-mass", {"verb": "run"}, task="point-mass", seeds=(0,))


@pytest.fixture
def book(tmp_path):
    with Book(Registry.open(tmp_path / "registry"), Places(tmp_path / "registry")) as opened:
        yield opened


@pytest.fixture
def run(tmp_path):
    with RunFolder(tmp_path / "run", {"task": "point-mass"}) as folder:
        yield folder


def gather(run: RunFolder, actor: str, first: int) -> Dataset:
    task = find_task("point-mass")
    return collect(task, actor, range(first, first + 3), run.path / "data", policy=task.actor("random"), length=3)


def fit(run: RunFolder, dataset: Dataset, name: str, seed: int) -> None:
    """An untrained world in the place of a fitted one."""
    save_model(run.path / name, build_model(EnsembleConfig("nano"), dataset.spec(), seed), EnsembleConfig("nano"))
    stage = "fit" if name == "world" else f"fit-{name}"
    run.finish(stage, {"episodes": dataset.num_episodes, "dataset": dataset.identity, "exam": []})


def train(run: RunFolder, dataset: Dataset, name: str, seed: int) -> None:
    """An untrained policy in the place of a trained one."""
    actor = Actor.build(ActorConfig("nano"), dataset.spec(), seed)
    save_policy(run.path / name, actor, ActorConfig("nano"), dataset.spec())
    run.finish(name.replace("policy", "train"), {"updates": 1})


def two_rounds(run: RunFolder) -> None:
    dataset = gather(run, "random", 0)
    run.finish("seconds", {"collect": 1.0})
    for seed, name in enumerate(("world-0", "local-0")):
        fit(run, dataset, name, seed)
    train(run, dataset, "policy-0", 0)
    dataset = gather(run, "policy 0", 10)
    for seed, name in enumerate(("world", "local"), 2):
        fit(run, dataset, name, seed)
    train(run, dataset, "policy", 1)


def roles(book: Book, version: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for edge in book.registry.get(version).edges:
        found.setdefault(edge.role, set()).add(edge.target)
    return found


def test_each_round_rests_on_what_it_read(book, run) -> None:
    with Journal(book, run, SOURCES) as journal:
        two_rounds(run)
    made = journal.versions
    assert set(made) == {"data", "world-0", "local-0", "policy-0", "world", "local", "policy"}
    assert roles(book, made["policy-0"])["trained_in"] == {made["world-0"], made["local-0"]}
    assert roles(book, made["policy"])["trained_in"] == {made["world"], made["local"]}
    assert roles(book, made["policy"])["initialised_from"] == {made["policy-0"]}
    assert roles(book, made["world"])["derived_from"] == {made["world-0"]}
    first, second = roles(book, made["world-0"])["trained_on"], roles(book, made["world"])["trained_on"]
    assert second == {made["data"]} and roles(book, made["data"])["derived_from"] == first
    assert made["policy-0"] in roles(book, made["data"])["data_from"]
    assert book.registry.get(made["policy"]).name == "point-mass/policy"
    assert inputs_of(build_of(book.registry, made["policy"]))["begin"] == (made["policy-0"],)
    assert {"mass", "start"} <= set(book.registry.get(made["policy"]).fields["visited"]["factors"])
    assert json.loads((run.path / "versions.json").read_text()) == made


def test_a_run_that_goes_on_registers_nothing_twice(book, run) -> None:
    with Journal(book, run, SOURCES):
        two_rounds(run)
    count = len(book.registry.versions())
    with Journal(book, run, SOURCES):
        for stage, note in run.stages().items():
            run.finish(stage, note)
    assert len(book.registry.versions()) == count


def test_what_a_killed_run_left_unregistered_is_registered_when_it_goes_on(book, run) -> None:
    dataset = gather(run, "random", 0)
    fit(run, dataset, "world-0", 0)
    assert book.registry.versions() == []
    with Journal(book, run, SOURCES) as journal:
        assert set(journal.versions) == {"data", "world-0"}


def test_time_of_earlier_attempts_counts_and_a_kill_is_on_record(book, run) -> None:
    open_ = run.path / "resources.json"
    with pytest.raises(KeyboardInterrupt), Journal(book, run, SOURCES):
        raise KeyboardInterrupt
    left = json.loads(open_.read_text())
    assert left["running"] is False and left["whole"]
    open_.write_text(json.dumps(left | {"running": True, "taken": left["taken"] | {"wall_s": 5.0}}))
    with Journal(book, run, SOURCES) as journal:
        dataset = gather(run, "random", 0)
        run.finish("seconds", {"collect": 1.0})
    taken = build_of(book.registry, journal.versions["data"]).fields["resources"]
    assert taken["wall_s"] > 5.0 and taken["whole"] is False and taken["steps"] == dataset.num_episodes


def test_places_are_hints(tmp_path: Path) -> None:
    places = Places(tmp_path / "registry")
    (tmp_path / "a").mkdir()
    places.note("1" * 64, tmp_path / "a")
    places.note("2" * 64, tmp_path / "gone")
    assert places.find("1" * 64) == [tmp_path / "a"] and places.find("2" * 64) == []
    assert places.version_at(tmp_path / "a") == "1" * 64 and places.version_at(tmp_path) is None


@pytest.mark.parametrize("grown", ["0" * 64, "2" * 64])
def test_a_folder_holds_what_was_noted_last(tmp_path: Path, grown: str) -> None:
    places = Places(tmp_path / "registry")
    for version in ("1" * 64, grown, grown):
        places.note(version, tmp_path)
    assert places.version_at(tmp_path) == grown and places.find("1" * 64) == [tmp_path]
    places.note("1" * 64, tmp_path)
    assert places.version_at(tmp_path) == "1" * 64
