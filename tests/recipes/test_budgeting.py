"""From evaluations in worlds to a paid plan, a blinded sheet, and an unblinded estimate in the registry."""

import csv
import io
import json

import numpy as np
import pytest

from diorama.cli.main import main
from diorama.evaluate.records import EPISODES, Episodes, to_parquet
from diorama.recipes import budgeting
from diorama.recipes.book import Book, Places
from diorama.recipes.failing import table_of
from diorama.registry.records import BudgetEntry, Edge, Manifest
from diorama.registry.registry import Registry
from diorama.registry.rules import Status
from diorama.registry.status import Survey

COUNT = 80


def table(success: np.ndarray, trust: float) -> bytes:
    texts = {name: np.full(COUNT, "x", object) for name in ("item", "policy", "world", "cause")}
    factors = {"friction": np.linspace(0, 1, COUNT)}
    return to_parquet(
        Episodes(
            **texts,
            seed=np.arange(1000, 1000 + COUNT),
            steps=np.full(COUNT, 9),
            success=success,
            metrics={"success": success.astype(float)},
            factors=factors,
            trust=np.full(COUNT, trust),
        )
    )


@pytest.fixture
def book(tmp_path):
    with Book(Registry.open(tmp_path / "registry"), Places(tmp_path / "registry")) as opened:
        yield opened


@pytest.fixture
def policies(book) -> list[str]:
    """Two policies, each tested in two worlds on the same seeds; trials are granted."""
    rng, registry = np.random.default_rng(0), book.registry
    worlds = [
        registry.register(Manifest("simulator", f"lab/{name}", {"origin": "physics", "contract": {"name": "lab"}})).id
        for name in ("mujoco", "planar")
    ]
    found = []
    for name in ("new", "old"):
        policy = registry.register(Manifest("policy", f"lab/{name}", {"kind": "scripted", "actor": name})).id
        for world in worlds:
            blobs = {EPISODES: registry.add_blob(table(rng.random(COUNT) < 0.7, rng.uniform(0.5, 1)))}
            edges = (Edge("evaluates", policy), Edge("evaluated_in", world))
            registry.register(Manifest("evaluation", f"lab/{name}/evaluation", {}, blobs, edges))
        found.append(policy)
    for purse, amount in (("estimation", 40.0), ("discovery", 12.0)):
        registry.append(BudgetEntry("lab-2026", purse, amount, "trials", "test"))
    return found


def verb(book, *words: str) -> int:
    return main(["budget", *words, "--registry", str(book.registry.file.parent)])


def fill(path, outcome) -> None:
    """Fill in the sheet; ``outcome`` of a line, "" leaves it open."""
    lines = list(csv.DictReader(io.StringIO(path.read_text())))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]))
    writer.writeheader()
    writer.writerows(line | {"outcome": outcome(line)} for line in lines)
    path.write_text(text.getvalue())


def left(book) -> dict[str, float]:
    return {one.purse: one.left for one in book.registry.balances("lab-2026")}


def test_a_sheet_goes_out_and_comes_back(book, policies, tmp_path, capsys) -> None:
    assert verb(book, "plan", "lab-2026", "lab/new", "lab/old", "--estimation", "15", "--discovery", "5") == 0
    assert "estimation: 10 of 40 trials left" in capsys.readouterr().out
    key, sheet = tmp_path / "keys" / "key.json", tmp_path / "sheets" / "sheet.csv"
    assert verb(book, "worksheet", "lab-2026", "--out", str(sheet.parent), "--key", str(sheet.parent / "key")) == 2
    assert verb(book, "worksheet", "lab-2026", "--out", str(sheet.parent), "--key", str(key)) == 0
    assert key.stat().st_mode & 0o077 == 0
    better = json.loads(key.read_text())["letters"]
    letter = next(one for one, policy in better.items() if policy == policies[0])
    fill(sheet, lambda line: "" if int(line["order"]) > 10 else int(line["policy"] == letter))
    assert verb(book, "record", "lab-2026", str(sheet), "--key", str(key)) == 2
    assert "trials are open" in capsys.readouterr().err
    assert verb(book, "record", "lab-2026", str(sheet)) == 0
    fill(sheet, lambda line: int(line["policy"] == letter))
    assert verb(book, "record", "lab-2026", str(sheet), "--key", str(key)) == 0
    planned = budgeting.newest_plan(book, "lab-2026")
    new, old = (budgeting.answer_of(book, planned, policy) for policy in policies)
    assert new.alone.value == 1.0
    assert old.alone.value == 0.0
    assert new.powered.low > old.powered.high
    assert budgeting.open_trials(book, planned) == 0
    assert verb(book, "report", "lab-2026") == 0
    assert "0 trials open" in capsys.readouterr().out
    episodes, _ = table_of(book, budgeting.trials_of(book, planned)[policies[0]].id)
    assert set(episodes.world) == {"reality"}  # so that `diorama failures` takes them


def test_real_trials_outlive_the_worlds_that_chose_them(book, policies) -> None:
    assert verb(book, "plan", "lab-2026", *policies, "--estimation", "15", "--discovery", "5") == 0
    planned, registry = budgeting.newest_plan(book, "lab-2026"), book.registry
    reality = registry.register(Manifest("simulator", "lab/reality", {"origin": "real"})).id
    trials = budgeting.enter(book, planned, policies[0], reality, {one.seed: True for one in planned.plan.trials})
    for k, world in enumerate(planned.worlds):
        edges = (Edge("derived_from", world, {"relation": "patch"}),)
        registry.register(Manifest("simulator", registry.get(world).name, {"mended": k}, {}, edges))
    graph = registry.graph()
    survey = Survey(graph)
    (imagined, *_) = [one for one, edge in registry.edges(target=planned.worlds[0], role="evaluated_in")]
    assert survey.status(imagined) is Status.STALE
    assert survey.status(trials) is survey.status(planned.version) is Status.FRESH


def test_a_plan_that_cannot_be_paid_costs_nothing(book, policies) -> None:
    before = left(book)
    assert verb(book, "plan", "lab-2026", *policies, "--estimation", "15", "--discovery", "40") == 2
    assert verb(book, "plan", "lab-2026", *policies, "--estimation", "15", "--dry-run") == 0
    assert left(book) == before
    assert not book.registry.versions(kind="scenario_set")


def test_purses_never_fall_below_zero(book, policies) -> None:
    for seed in range(6):
        verb(book, "plan", "lab-2026", *policies, "--estimation", "7", "--discovery", "2", "--seed", str(seed))
        assert min(left(book).values()) >= 0.0
    assert left(book)["estimation"] == 40.0 - 2 * 14


def test_policies_that_no_world_has_tested_are_refused(book, policies, capsys) -> None:
    other = book.registry.register(Manifest("policy", "lab/other", {"kind": "scripted"})).id
    assert verb(book, "plan", "lab-2026", policies[0], other, "--estimation", "5") == 2
    assert "on the same seeds" in capsys.readouterr().err
