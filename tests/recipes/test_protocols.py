"""A protocol carried out: paid for once, stopped by its rule, compared across worlds, registered with its table."""

import pytest

from diorama.core.errors import ConfigError, DataError
from diorama.evaluate.preregistered import Protocol
from diorama.evaluate.records import EPISODES, read_episodes
from diorama.evaluate.running import Store
from diorama.evaluate.scenarios import draw
from diorama.recipes.book import open_book
from diorama.recipes.candidates import find_candidate
from diorama.recipes.protocols import QUERIES, Trial, carry_out, register, scenarios_name, told_of
from diorama.recipes.tasks import find_task
from diorama.recipes.where import Where
from diorama.recipes.worlds import find_world
from diorama.registry.records import BudgetEntry


@pytest.fixture(scope="module")
def task():
    return find_task("point-mass")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("protocols")


@pytest.fixture(scope="module")
def book(folder):
    with open_book(Where(str(folder / "registry"))) as opened:
        yield opened


def trial(task, book, visibility="open", **rules) -> Trial:
    scenarios = draw(task.env().spec.scenario, task.name, range(400_000, 400_006), {"mass": None}, visibility)
    rules = Protocol(**{"episodes": 6, "batch": 3} | rules)
    worlds = [find_world(task, "point-mass", book=book)]
    return Trial(task, [find_candidate(task, "random", book=book)], worlds, scenarios, rules, 4, 5.0)


def test_sealed_scenarios_are_paid_for_once(task, book, folder) -> None:
    sealed, store = trial(task, book, "sealed"), Store(folder / "items")
    with pytest.raises(ConfigError, match="counted in the registry"):
        carry_out(sealed, store)
    with pytest.raises(DataError, match="cannot be spent"):
        carry_out(sealed, store, book=book)
    assert not any(store.folder.iterdir())
    name = scenarios_name(sealed.scenarios)
    book.registry.append(BudgetEntry(name, "main", 2.0, QUERIES, "two looks"))
    for _ in range(2):
        assert len(carry_out(sealed, store, book=book)) == 6
    assert [balance.left for balance in book.registry.balances(name)] == [1.0]


def test_a_trial_is_told_and_registered(task, book, folder) -> None:
    asked = trial(task, book, strata={"mass": (1.0,)})
    table = carry_out(asked, Store(folder / "items"), book=book)
    record = told_of(asked, table)
    (pair,) = record["pairs"]
    assert pair["episodes"] == 6 and pair["excluded"] == 0 and pair["cost"]["joules_per_episode"] > 0
    assert pair["cost"]["successes"] is None and pair["cost"]["energy_source"] == "tdp_estimate"
    (made,) = register(book, asked, table)
    version = book.registry.get(made)
    roles = {edge.role: edge.target for edge in version.edges}
    assert roles.keys() == {"evaluates", "evaluated_in", "drawn_from"}
    assert book.registry.get(roles["drawn_from"]).kind == "scenario_set"
    stored = read_episodes(book.registry.read_blob(version.manifest.blobs[EPISODES]))
    assert stored.seed.tolist() == list(asked.scenarios.seeds) and stored.energy_source == "tdp_estimate"
    assert [book.registry.get(one).kind for one in book.registry.downstream(made)].count("claim") == 1
    assert register(book, asked, table) == [made]


def test_a_sequential_trial_stops_where_it_may(task, book, folder) -> None:
    watched = trial(task, book, stop="sequential", width=1e6, bounds=(-1e6, 1e6))
    with pytest.raises(DataError, match="alpha cannot be spent"):
        carry_out(watched, Store(folder / "items"), book=book)
    assert len(carry_out(watched, Store(folder / "items"))) == 3


def test_what_cannot_be_carried_out_is_refused(task, book) -> None:
    with pytest.raises(ConfigError, match="asks for 9 episodes and the set holds 6"):
        trial(task, book, episodes=9)
    with pytest.raises(ConfigError, match="has no metrics"):
        trial(task, book, metrics=("beauty",))
