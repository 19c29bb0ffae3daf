"""The runs of an audit are really played: planted shortcuts are seen, and what cannot be played says why."""

import json
from dataclasses import replace

import numpy as np
import pytest

from diorama.cli.main import main
from diorama.core.errors import ConfigError
from diorama.evaluate.audit import State
from diorama.evaluate.preregistered import Protocol
from diorama.evaluate.records import Episodes, to_parquet
from diorama.evaluate.running import Store
from diorama.evaluate.scenarios import draw
from diorama.recipes import describing, evaluating, probing
from diorama.recipes.auditing import audit_evaluation
from diorama.recipes.book import Book, Places
from diorama.recipes.candidates import find_candidate
from diorama.recipes.collecting import collect
from diorama.recipes.probing import probe
from diorama.recipes.protocols import Trial, carry_out, register, scenarios_id
from diorama.recipes.tasks import find_task
from diorama.recipes.worlds import find_world
from diorama.registry.records import Edge, Manifest
from diorama.registry.registry import Registry

LENGTH, COUNT = 6, 4
MINE = """
class Replays:
    def __init__(self, dataset):
        from diorama.data import Dataset
        held = Dataset.open(dataset)
        self.starts, self.actions = held.column("observation.state")[held.starts], held.column("action")
        self.first, self.step = held.starts, 0

    def __call__(self, observation):
        import numpy as np
        if self.step % 6 == 0:
            gaps = np.abs(observation["state"][:, None] - self.starts[None]).sum(axis=2)
            self.rows = self.first[gaps.argmin(axis=1)]
        self.step += 1
        return self.actions[self.rows + (self.step - 1) % 6]
"""


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """Push-T, a policy that was trained on four episodes and replays them, its evaluation, and a scripted policy's."""
    folder = tmp_path_factory.mktemp("probing")
    task = find_task("push-t")
    (folder / "mine.py").write_text(MINE)
    with Book(Registry.open(folder / "registry"), Places(folder / "registry")) as book:
        dataset = collect(task, "play", range(10, 10 + COUNT), folder / "data", length=LENGTH)
        data = describing.dataset_id(book, dataset)
        word = f"{folder / 'mine.py'}:Replays(dataset={str(folder / 'data')!r})"
        mine = find_candidate(task, word, book=book)
        edges = (Edge("trained_on", data),)
        made = book.registry.register(Manifest("policy", "push-t/mine", {"kind": "python"}, {}, edges))
        mine = replace(mine, version=made.id)
        world = find_world(task, "push-t", book=book)
        rows = draw(task.env().spec.scenario, "push-t", range(COUNT), {"friction": (0.0, 0.2)})
        metric = task.headline
        trial = Trial(
            task,
            [mine, find_candidate(task, "play", book=book)],
            [world],
            rows,
            Protocol((metric,), episodes=COUNT, batch=COUNT),
            LENGTH,
        )
        ids = register(book, trial, carry_out(trial, Store(folder / "items"), book=book))
        yield book, folder, mine, world, ids


def test_a_policy_that_replays_its_training_data_is_no_better_than_that(setting) -> None:
    book, folder, mine, _, (evaluation, _) = setting
    store = Store(folder / "items")
    parts = {
        one.check: one for one in probe(book, evaluation, episodes=COUNT, store=store, policy=mine, axes=("latency",))
    }
    assert parts["C13"].measures["gain over replay"].value == pytest.approx(0.0, abs=1e-12)
    assert list(parts["C12"].measures) == ["slope: latency"] and not parts["C12"].missing
    assert parts["C11"].measures["drop"].count == COUNT
    result = audit_evaluation(book, evaluation, register=False).audit
    assert result.outcome("C13").state is State.FOUND
    assert {"C11", "C12", "C13"}.isdisjoint(result.not_run)
    files = len(list(store.folder.iterdir()))
    again = probe(book, evaluation, episodes=COUNT, store=store, policy=mine, axes=("latency",))
    assert [one.id for one in again] == [one.id for one in parts.values()]
    assert len(list(store.folder.iterdir())) == files


def test_what_cannot_be_played_says_why(setting) -> None:
    book, folder, _, world, (mine, scripted) = setting
    store = Store(folder / "items")
    deaf = replace(world, ignores=("friction",))
    parts = {
        one.check: one
        for one in probe(book, scripted, episodes=2, store=store, world=deaf, axes=("friction",), register=False)
    }
    assert parts["C12"].missing == {"friction": "push-t cannot be told this."} and not parts["C12"].measures
    assert "no data" in parts["C13"].missing["replay"] and "gain over blind" in parts["C13"].measures
    lost = probe(book, mine, episodes=2, store=store, register=False)
    assert all(not one.measures and "mine.py" not in one.missing["run"] for one in lost)
    assert "--policy" in lost[0].missing["run"]
    with pytest.raises(ConfigError, match="not what was evaluated"):
        probe(book, mine, episodes=2, store=store, policy="play", register=False)
    with pytest.raises(ConfigError, match="no factors"):
        probe(book, scripted, episodes=2, store=store, axes=("gravity",), register=False)


def test_sealed_scenarios_are_not_looked_at_again(setting, monkeypatch) -> None:
    book, folder, _, world, (_, scripted) = setting
    found = book.registry.get(scripted)
    task = find_task("push-t")
    sealed = draw(task.env().spec.scenario, "push-t", range(70, 74), {}, visibility="sealed")
    drawn = scenarios_id(book, sealed)
    nothing = np.full(COUNT, "x", object)
    table = Episodes(
        nothing, nothing, nothing, np.arange(70, 74), np.full(COUNT, 6), np.zeros(COUNT, bool), nothing,
        {task.headline: np.zeros(COUNT)},
    )  # fmt: skip
    edges = [edge for edge in found.edges if edge.role != "drawn_from"] + [Edge("drawn_from", drawn)]
    fields = {"task": "push-t", "length": LENGTH}
    blobs = {"episodes.parquet": book.registry.add_blob(to_parquet(table))}
    held = book.registry.register(Manifest("evaluation", "push-t/sealed", fields, blobs, tuple(edges))).id
    looked: list[int] = []
    play, stage = evaluating.run_item, probing.stage_of
    monkeypatch.setattr(evaluating, "run_item", lambda item: (looked.extend(json.loads(item)["seeds"]), play(item))[1])
    monkeypatch.setattr(
        probing, "stage_of", lambda world, seeds, *rest: (looked.extend(seeds), stage(world, seeds, *rest))[1]
    )
    parts = probe(book, held, episodes=2, store=Store(folder / "sealed"), axes=("friction",), register=False)
    assert all(part.measures for part in parts)
    assert min(looked) >= 2**31


def test_the_command_plays_and_prints_what_was_not_run(setting, capsys) -> None:
    _, folder, _, _, (mine, scripted) = setting
    place = ["--registry", str(folder / "registry"), "--items", str(folder / "items"), "--probe", "--episodes", "2"]
    code = main(["audit", scripted[:12], *place, "--axes", "friction", "--dry-run"])
    said = capsys.readouterr().out
    assert code in (0, 3) and "gain over blind" in said and "slope" not in said and "friction" in said
    assert "not run: C8. " in said and "verdict: " in said
    assert main(["audit", mine[:12], "--axes", "friction"]) == 2
    assert "--probe" in capsys.readouterr().err
