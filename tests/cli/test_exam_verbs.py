"""``diorama exploit`` and ``diorama failures``: pages, files, and what the registry keeps of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from diorama.data import Dataset
from diorama.envs.pusht import PushT, Relative
from diorama.envs.pusht.scripted import ScriptedPlay
from diorama.evaluate import run_episodes
from diorama.evaluate.records import Episodes, read_episodes, texts, write_episodes
from diorama.models import EnsembleConfig, build, save
from diorama.recipes.book import open_book
from diorama.recipes.collecting import collect
from diorama.recipes.failing import scenario_of
from diorama.recipes.presets import PUSH_T
from diorama.recipes.tasks import find_task
from diorama.recipes.where import Where

SPEC = PushT(Relative(), ("features",)).spec
LENGTH = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Data, a world that nobody fitted, and a table of an evaluation of play in reality, where friction varies."""
    place = tmp_path_factory.mktemp("exam")
    collect(find_task("push-t"), "play", range(9), place / "data", length=LENGTH)
    config = EnsembleConfig("nano", PUSH_T.body)
    save(place / "world" / "world", build(config, SPEC, 0), config)
    seeds = np.arange(300_000, 300_008)
    friction = np.linspace(0, 0.7, 8).astype(np.float32)
    played = run_episodes(
        PushT(Relative(), ("state", "features")), ScriptedPlay(), seeds, LENGTH, {"friction": friction}
    )
    task, count = find_task("push-t"), len(seeds)
    scores = {name: np.asarray(metric(played), np.float64) for name, metric in task.metrics.items()}
    table = Episodes(
        texts("item", count), texts("play", count), texts("push-t", count), seeds, played.mask.sum(axis=1).astype(int),
        np.zeros(count, bool), texts("time", count), scores, {"friction": friction.astype(np.float64)},
    )  # fmt: skip
    write_episodes(place / "episodes.parquet", table)
    return place


def test_exploit_prints_writes_and_registers(made, tmp_path, diorama, capsys) -> None:
    at = ("--registry", tmp_path / "registry")
    words = ("exploit", "play", made / "world", "--dataset", made / "data", "--episodes", 6, "--length", LENGTH, *at)
    code = diorama(*words, "--out", tmp_path / "found.json")
    said = capsys.readouterr().out
    assert "play in " in said.splitlines()[0] and "E1 disagreement" in said and "trust     episodes" in said
    found = json.loads((tmp_path / "found.json").read_text())
    assert code == (found["verdict"] == "exploits its world")
    assert found["findings"]["E1"]["evidence"]["judges"] > 1
    assert found["findings"]["E4"]["evidence"]["there"].keys() == {"push-t"}
    rows = read_episodes(tmp_path / "found.parquet")
    assert len(rows) == 6 and ((rows.trust >= 0) & (rows.trust <= 1)).all()
    with open_book(Where(str(tmp_path / "registry"))) as book:
        (version,) = book.registry.versions(kind="evaluation")
        assert {edge.role for edge in version.edges} == {"evaluates", "evaluated_in", "drawn_from"}
        assert version.fields["findings"].keys() == {f"E{n}" for n in range(1, 8)}
        kept = read_episodes(book.registry.read_blob(version.manifest.blobs["episodes.parquet"]))
    assert (kept.trust == rows.trust).all()


def test_failures_fit_on_a_page_and_become_versions(made, tmp_path, diorama, capsys) -> None:
    at = ("--registry", tmp_path / "registry")
    worlds = ("--worlds", made / "world", "push-t-quasistatic")
    words = ("failures", made / "episodes.parquet", *worlds, "--length", LENGTH, *at, "--out", tmp_path / "page.txt")
    assert diorama(*words) == 0
    said = capsys.readouterr().out
    assert said.startswith("How play fails in push-t") and "8 of 8 episodes failed" in said
    assert (tmp_path / "page.txt").read_text() == said and len(said.splitlines()) < 60
    with open_book(Where(str(tmp_path / "registry"))) as book:
        modes = book.registry.versions(kind="failure_mode")
        assert modes and sum(len(mode.fields["episodes"]) for mode in modes) == 8
        for mode in modes:
            roles = [edge.role for edge in mode.edges]
            assert roles.count("observed_in") == 1 and roles.count("hidden_by") == len(mode.fields["hidden_by"])


def test_failures_says_what_is_missing(made, tmp_path, diorama, capsys) -> None:
    rows = read_episodes(made / "episodes.parquet")
    write_episodes(tmp_path / "elsewhere.parquet", rows.take(np.arange(3)).of(world="nowhere"))
    assert diorama("failures", tmp_path / "elsewhere.parquet", "--no-registry") == 2
    assert "failures are looked for in reality" in capsys.readouterr().err
    assert diorama("failures", tmp_path / "none.parquet", "--no-registry") == 2
    assert "There is no file" in capsys.readouterr().err


def test_a_table_gives_its_scenario_back() -> None:
    count = 3
    factors = {"friction": np.arange(3.0), "goal_position.1": np.full(3, 2.0), "goal_position.0": np.full(3, 1.0)}
    rows = Episodes(
        texts("i", count), texts("p", count), texts("w", count), np.arange(3), np.arange(3), np.zeros(3, bool),
        texts("time", count), {}, factors,
    )  # fmt: skip
    found = scenario_of(rows, list(SPEC.scenario.factors), np.array([0, 2]))
    assert found.keys() == {"friction", "goal_position"}
    assert found["goal_position"].tolist() == [[1.0, 2.0]] * 2 and found["friction"].tolist() == [0.0, 2.0]


def test_the_dataset_is_split_by_episode(made) -> None:
    from diorama.recipes.exploiting import recorded

    real = recorded(Dataset.open(made / "data"), PushT(Relative(), ("features", "state")).spec, LENGTH)
    assert len(np.unique(real.groups)) == len(real.groups) >= 2 and real.vectors == ("features", "state")
    assert real.held.action.shape[1] == LENGTH
