"""An evaluation of `diorama evaluate --in` is made again in a world that takes the place of its own."""

import json

import pytest

from diorama.cli.main import main
from diorama.recipes.rebuilding_trials import refusal
from diorama.recipes.where import Where
from diorama.registry.actions import Action
from diorama.registry.difference import episodes_of
from diorama.registry.records import Edge, Manifest
from diorama.registry.registry import Registry

OLD, NEW = "push-t/push-t-mujoco", "push-t/reality"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIORAMA_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(*words: str, code: int = 0) -> str:
        assert main(list(words)) == code, capsys.readouterr().err
        return capsys.readouterr().out

    return call


def evaluate(run, policy: str, world: str, protocol: str) -> None:
    run("evaluate", policy, "--env", "push-t", "--in", world, "--length", "2", "--protocol", protocol)


def test_it_is_tested_again_on_the_same_scenarios_and_reused_after_that(run, tmp_path) -> None:
    run("protocol", "push-t", "--out", "p.json", "--episodes", "2", "--alpha", "0.1")
    evaluate(run, "random", "push-t-mujoco", "p.json")
    evaluate(run, "play", "push-t", "p.json")
    done = json.loads(run("rebuild", OLD, NEW, "--json"))
    assert [(one["kind"], one["outcome"]) for one in done] == [("evaluation", "made"), ("claim", "made")]
    again = json.loads(run("rebuild", OLD, NEW, "--json"))
    assert {one["outcome"] for one in again} <= {"kept", "reused"}
    assert [one["new"] for one in again if one["outcome"] == "reused"] == [one["new"] for one in done]
    with Registry.open(tmp_path / "registry") as registry:
        old, new = (registry.get(done[0][which]) for which in ("id", "new"))
        edges = {edge.role: edge.target for edge in new.edges}
        before = {edge.role: edge.target for edge in old.edges}
        assert edges["supersedes"] == old.id and edges["evaluated_in"] == registry.get(NEW).id
        for role in ("evaluates", "drawn_from"):
            assert edges[role] == before[role]
        told, earlier = (episodes_of(one, registry.read_blob) for one in (new, old))
        assert told["seed"] == earlier["seed"] and told.keys() == earlier.keys()
        assert new.fields["protocol"] == old.fields["protocol"]


def test_a_policy_whose_file_is_not_kept_is_left_with_a_sentence(tmp_path) -> None:
    from diorama.recipes.book import open_book
    from diorama.recipes.workshop import Workshop

    with open_book(Where(registry=str(tmp_path / "registry"))) as book:
        policy = book.registry.register(Manifest("policy", "push-t/net", {"kind": "onnx", "file": "0" * 64})).id
        action = Action({"verb": "evaluate-in", "task": "push-t"}, {"policy": (policy,)}, (), "", "")
        shop = Workshop(book, tmp_path / "out", lambda report: None)
        assert "does not keep the file of push-t/net; test it by hand" in refusal(shop, action)


def test_only_what_the_plan_has_a_step_for_can_be_asked_for(run, tmp_path, capsys) -> None:
    with Registry.open(tmp_path / "registry") as registry:
        old = registry.register(Manifest("simulator", "lab/world", {"n": 1}))
        registry.register(Manifest("policy", "lab/p", {}, {}, (Edge("trained_in", old.id),)))
        registry.register(Manifest("policy", "lab/other"))
        registry.register(Manifest("simulator", "lab/new"))
    assert main(["rebuild", "lab/world", "lab/new", "--only", "lab/other"]) == 2
    assert "lab/other" in (said := capsys.readouterr().err) and "does not rest on lab/world" in said
