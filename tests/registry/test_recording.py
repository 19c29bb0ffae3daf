"""A stage that ends well registers what it made, once; a stage that fails registers nothing."""

from pathlib import Path

import pytest

from diorama.core.errors import DataError
from diorama.registry.actions import Action
from diorama.registry.recording import Recorder, action_of, build_of, find_made, inputs_of, outputs_of
from diorama.registry.records import Edge, Manifest, Revocation
from diorama.registry.registry import Registry
from diorama.registry.resources import Resources

WEIGHTS = b'{"w": [1, 2, 3]}'


@pytest.fixture
def registry(tmp_path):
    with Registry.open(tmp_path / "registry") as opened:
        yield opened


@pytest.fixture
def data(registry) -> str:
    return registry.register(Manifest("dataset", "toy/data", {"merkle_root": "a"})).id


def action(data: str, **settings: object) -> Action:
    return Action({"verb": "fit", "rate": 0.1, **settings}, {"dataset": (data,)}, (3,), "code", "lock")


def fit(registry: Registry, given: Action, content: bytes = WEIGHTS) -> Recorder:
    """A stage that makes a world and its exam."""
    with Recorder(registry, given) as stage:
        blobs = {"weights.json": stage.blob(content)}
        edges = (Edge("trained_on", given.inputs["dataset"][0]),)
        world = stage.output("world", Manifest("simulator", "toy/world", {}, blobs, edges))
        stage.output("exam", Manifest("evaluation", "toy/world/exam", {}, {}, (Edge("evaluates", world),)))
        stage.took(steps=7)
    return stage


def test_a_stage_registers_outputs_and_one_build(registry, data) -> None:
    stage = fit(registry, action(data))
    build = build_of(registry, stage.outputs["world"])
    assert outputs_of(build) == stage.outputs and inputs_of(build) == {"dataset": (data,)}
    fields = build.fields
    assert (fields["code_digest"], fields["lock_digest"], fields["seeds"]) == ("code", "lock", [3])
    assert fields["command"] == {"verb": "fit", "rate": 0.1} and fields["action_key"] == action(data).key()
    taken = fields["resources"]
    assert taken["steps"] == 7 and taken["wall_s"] >= 0.0 and taken["energy_source"] == "none"
    assert taken["joules"] is None and action_of(build) == action(data)
    assert registry.read_blob(registry.get("toy/world").manifest.blobs["weights.json"]) == WEIGHTS


def test_a_stage_that_fails_registers_nothing(registry, data) -> None:
    before = len(registry.versions())
    with pytest.raises(ZeroDivisionError), Recorder(registry, action(data)) as stage:
        stage.output("world", Manifest("simulator", "toy/world"))
        raise ZeroDivisionError
    assert len(registry.versions()) == before and find_made(registry, action(data).key()) is None


def test_an_output_that_cannot_be_registered_takes_the_others_along(registry, data) -> None:
    before = len(registry.versions())
    with pytest.raises(DataError), Recorder(registry, action(data)) as stage:
        stage.output("world", Manifest("simulator", "toy/world"))
        stage.output("exam", Manifest("evaluation", "toy/exam", {}, {}, (Edge("evaluates", "f" * 64),)))
    assert len(registry.versions()) == before


def test_the_same_work_is_found_and_registered_once(registry, data) -> None:
    first = fit(registry, action(data))
    count = len(registry.versions())
    with Recorder(registry, action(data)) as stage:
        assert stage.reused == first.outputs == stage.outputs
    fit(registry, action(data))
    assert len(registry.versions()) == count
    assert Recorder(registry, action(data, rate=0.2)).reused is None


def test_the_same_work_with_another_outcome_is_another_build(registry, data) -> None:
    first = fit(registry, action(data))
    second = fit(registry, action(data), b'{"w": [4]}')
    assert first.outputs["world"] != second.outputs["world"]
    assert find_made(registry, action(data).key()) == second.outputs


def test_what_was_revoked_is_not_used_again(registry, data) -> None:
    stage = fit(registry, action(data))
    registry.append(Revocation(stage.outputs["world"], "a bad seed"))
    assert find_made(registry, action(data).key()) is None


def test_resources_may_be_stated(registry, data) -> None:
    taken = Resources(wall_s=12.0, joules=3.0, energy_source="rapl", energy_window_s=12.0, steps=5)
    with Recorder(registry, action(data)) as stage:
        stage.output("world", Manifest("simulator", "toy/world"))
        stage.took(taken)
    assert build_of(registry, stage.outputs["world"]).fields["resources"] == taken.to_json()


def test_one_name_for_one_output(registry, data) -> None:
    with pytest.raises(DataError, match="an output 'world' already"), Recorder(registry, action(data)) as stage:
        stage.output("world", Manifest("simulator", "toy/world"))
        stage.output("world", Manifest("simulator", "toy/world", {"other": 1}))


def test_a_build_that_records_too_little_cannot_be_repeated(registry) -> None:
    build = registry.register(Manifest("build", "by-hand", {"command": {"verb": "fit"}, "seeds": []}))
    with pytest.raises(DataError, match="cannot be done again"):
        action_of(build)
    assert build_of(registry, registry.register(Manifest("policy", "found")).id) is None


def test_blobs_may_be_files(registry, tmp_path: Path, data) -> None:
    (tmp_path / "w.json").write_bytes(WEIGHTS)
    with Recorder(registry, action(data)) as stage:
        assert stage.blob(tmp_path / "w.json") == stage.blob(WEIGHTS.decode()) == stage.blob(WEIGHTS)
