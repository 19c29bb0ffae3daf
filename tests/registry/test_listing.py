"""Pages of versions and the balances of budgets, on every kind of place."""

import concurrent.futures

import pytest

from diorama.core.errors import DataError
from diorama.registry.budgets import Balance
from diorama.registry.listing import Search
from diorama.registry.records import BudgetEntry, Edge, Manifest


def names(listing) -> list[str]:
    return [line.name for line in listing.lines]


def test_pages_hold_every_fitting_version_once_and_the_newest_first(registry) -> None:
    made = registry.register_many([Manifest("policy", f"lab/p{k % 3}", {"k": k}) for k in range(10)])
    seen, before = [], None
    while True:
        page = registry.search(Search(kinds=("policy",), limit=4, before=before))
        assert page.total == 10
        seen += [line.id for line in page.lines]
        if (before := page.before) is None:
            break
    assert seen == [version.id for version in reversed(made)]


def test_a_search_keeps_what_fits_every_condition(registry) -> None:
    world = registry.register(Manifest("simulator", "lab/world"))
    policy = registry.register(Manifest("policy", "lab/policy", {}, {}, (Edge("trained_in", world.id),)))
    edges = (Edge("evaluates", policy.id), Edge("evaluated_in", world.id))
    registry.register(Manifest("evaluation", "lab/policy/100_sure", {}, {}, edges))
    assert names(registry.search(Search(on=world.id))) == ["lab/policy/100_sure", "lab/policy"]
    assert names(registry.search(Search(on=world.id, roles=("trained_in",)))) == ["lab/policy"]
    assert names(registry.search(Search(under=world.id, kinds=("evaluation",)))) == ["lab/policy/100_sure"]
    assert names(registry.search(Search(under=world.id, roles=("trained_in",)))) == ["lab/policy"]
    assert names(registry.search(Search(containing="0_s"))) == ["lab/policy/100_sure"]
    assert names(registry.search(Search(name="lab/world", kinds=("simulator", "policy")))) == ["lab/world"]
    assert names(registry.search(Search(until=world.created))) == []
    assert registry.search(Search(since=world.created)).total == 3
    assert names(registry.search(Search(on="0" * 64))) == []


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 10**9}, {"kinds": ("gizmo",)}, {"roles": ("knows",)}])
def test_a_senseless_search_is_refused(wrong) -> None:
    with pytest.raises(DataError):
        Search(**wrong)


def test_families_and_holders_of_a_blob(registry) -> None:
    digest = registry.add_blob(b"{}")
    kinds = ("policy", "policy", "simulator")
    made = registry.register_many([Manifest(kind, "x", {"k": k}, {"a.json": digest}) for k, kind in enumerate(kinds)])
    assert [(f.kind, f.count, f.newest.id) for f in registry.families()] == [
        ("simulator", 1, made[2].id),
        ("policy", 2, made[1].id),
    ]
    assert [f.kind for f in registry.families("policy")] == ["policy"]
    assert [line.id for line in registry.holding(digest)] == [one.id for one in reversed(made)]
    assert registry.holding(digest, "b.json") == []


def test_closures_along_some_roles_only(registry) -> None:
    data = registry.register(Manifest("dataset", "d"))
    world = registry.register(Manifest("simulator", "w", {}, {}, (Edge("trained_on", data.id),)))
    policy = registry.register(Manifest("policy", "p", {}, {}, (Edge("trained_in", world.id),)))
    assert registry.upstream(policy.id, ["trained_in"]) == [world.id]
    assert registry.upstream(policy.id, ["trained_in", "trained_on"]) == [data.id, world.id]
    assert registry.downstream(data.id, ["trained_in"]) == []


def test_a_purse_is_spent_and_never_overdrawn(registry) -> None:
    registry.append(BudgetEntry("lab", "estimation", 10.0, "trials", "granted"))
    registry.append(BudgetEntry("lab", "discovery", 4.0, "trials", "granted"))
    registry.spend("lab", "estimation", 7.0, "trials", "release")
    with pytest.raises(DataError, match="3 of 10 are left"):
        registry.spend("lab", "estimation", 4.0, "trials", "more")
    estimation = registry.balances("lab")[1]
    assert (estimation.purse, estimation.granted, estimation.spent, estimation.left) == ("estimation", 10.0, 7.0, 3.0)
    assert [event.entry.why for event in estimation.events] == ["granted", "release"]
    # What happened all the same is told, and the balance shows it.
    registry.append(BudgetEntry("lab", "discovery", -5.0, "trials", "the robot ran on"))
    assert registry.balances("lab")[0].left == -1.0


def test_purses_do_not_mix(registry) -> None:
    registry.append(BudgetEntry("held-out", "exam", 5.0, "queries"))
    with pytest.raises(DataError, match="holds queries, not joules"):
        registry.append(BudgetEntry("held-out", "exam", 5.0, "joules"))
    with pytest.raises(DataError, match="estimation or discovery"):
        registry.append(BudgetEntry("lab", "main", 5.0, "trials"))
    assert [one.unit for one in registry.balances()] == ["queries"]


def test_those_who_spend_at_once_never_spend_the_same(local) -> None:
    local.append(BudgetEntry("held-out", "exam", 5.0, "queries"))

    def spend(_) -> bool:
        try:
            return bool(local.spend("held-out", "exam", 1.0, "queries", "one of many"))
        except DataError:
            return False

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spend, range(12))) == 5
    assert local.balances("held-out")[0].left == 0.0


def test_rounding_does_not_empty_a_purse(local) -> None:
    local.append(BudgetEntry("test", "alpha", 0.3, "alpha"))
    for _ in range(3):
        local.spend("test", "alpha", 0.1, "alpha", "a look")
    assert abs(local.balances("test")[0].left) < 1e-9
    assert Balance("test", "alpha", "alpha").left == 0.0
