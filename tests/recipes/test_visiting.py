"""What a policy visits in imagination is on its record, and sampling it changes nothing that is learned."""

import hashlib
from pathlib import Path

import pytest

from diorama.models import build as build_model
from diorama.models import save as save_model
from diorama.recipes import describing
from diorama.recipes.book import Book, Places
from diorama.recipes.making import train_in
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.visited import kept, read_visited
from diorama.registry.registry import Registry
from diorama.registry.visits import from_json


@pytest.fixture(scope="module")
def trained(tmp_path_factory, dataset, world_config, policy_config) -> dict:
    """A policy that was registered and one that was not, trained alike in an untrained world."""
    folder = tmp_path_factory.mktemp("visiting")
    model = build_model(world_config.model, dataset.spec(), 0)
    save_model(folder / "w" / "world", model, world_config.model)
    found: dict = {"folder": folder}
    with Book(Registry.open(folder / "registry"), Places(folder / "registry")) as book:
        for name, where in (("registered", book), ("alone", None)):
            with RunFolder(folder / name, {"name": name}) as run:
                train_in(run, where, folder / "w" / "world", dataset, policy_config, lambda report: None)
        found["policy"] = book.registry.versions(kind="policy")[0]
    return found


def test_every_imagined_step_of_the_samples_counts_with_the_factors_of_its_start(trained, dataset) -> None:
    visited = trained["policy"].fields["visited"]
    assert visited["basis"] == "imagined steps, sampled" and visited["updates"] == 20
    # Four samples, in four worlds side by side, of a first observation and up to four steps until the world ends.
    steps = visited["steps"]
    assert 4 * 4 < steps <= 4 * 4 * 5 and steps == visited["cells"]["total"]
    sketch = from_json(visited)
    assert {sum(histogram.counts) for histogram in sketch.factors.values()} == {steps}
    _, factors = describing.coverage(dataset, [])
    for name, histogram in sketch.factors.items():
        assert factors[name].min() <= histogram.least <= histogram.most <= factors[name].max()


def test_training_is_the_same_with_it_and_without(trained) -> None:
    def weights(name: str) -> str:
        return hashlib.sha256((trained["folder"] / name / "policy" / "weights.safetensors").read_bytes()).hexdigest()

    assert weights("registered") == weights("alone")
    assert read_visited(trained["folder"] / "alone" / kept("policy")) is None


def test_what_a_training_kept_goes_on(trained) -> None:
    held = read_visited(trained["folder"] / "registered" / kept("policy"))
    assert held == trained["policy"].fields["visited"]


def test_a_world_is_registered_with_what_its_data_cover(tmp_path: Path, dataset) -> None:
    covered = describing.visited(dataset, ["position"])
    assert covered["basis"] == "rows of the data" and set(covered["cells"]["quantisation"]) == {"position"}
