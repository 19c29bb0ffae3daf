"""A plan is carried out from recorded commands; what was made before costs nothing."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from diorama.core.errors import DataError
from diorama.registry.actions import Action
from diorama.registry.debt import debt
from diorama.registry.manifest import manifest_id
from diorama.registry.plan import check_alike, plan
from diorama.registry.rebuild import rebuild
from diorama.registry.recording import Recorder, find_made
from diorama.registry.records import Advisory, Edge, Manifest, Replay, Version
from diorama.registry.registry import Registry
from diorama.registry.status import status_of
from diorama.registry.visits import declare

SLIPPERY = {"factors": {"friction": [0.6, 1.0]}}


def made(registry: Registry, action: Action, outputs: Mapping[str, Manifest]) -> dict[str, str]:
    with Recorder(registry, action) as stage:
        for name, manifest in outputs.items():
            stage.output(name, manifest)
    return stage.outputs


def work(verb: str, inputs: Mapping[str, str], **settings: object) -> Action:
    return Action({"verb": verb, **settings}, {role: (one,) for role, one in inputs.items()}, (0,), "code", "lock")


class Maker:
    """Makes manifests instead of things, and remembers what it was asked for."""

    code, lock = "code", "lock"

    def __init__(self, registry: Registry) -> None:
        self.registry, self.made, self.replayed, self.refused = registry, [], [], ""

    def refusal(self, action: Action) -> str:
        return "It was made by hand." if action.command["verb"] == self.refused else ""

    def make(self, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
        self.made.append((action.command["verb"], old.name))
        inputs = {role: ids[0] for role, ids in action.inputs.items() if role != "instead_of"}
        build = {"train": policy, "evaluate": measured}[action.command["verb"]]
        return made(self.registry, action, build(self.registry, inputs, old.name, supersedes))

    def replay(self, policy: Version, advisory: str, old: str, new: str) -> Replay:
        self.replayed.append(policy.name)
        return Replay(advisory, policy.id, 4, 4, 0, new)


def replaced(manifest: Manifest, name: str, supersedes: Mapping[str, str]) -> Manifest:
    edges = [Edge("supersedes", supersedes[name])] if name in supersedes else []
    return replace(manifest, edges=(*manifest.edges, *edges))


def policy(
    registry: Registry, inputs: Mapping[str, str], name: str, supersedes: Mapping[str, str] = {}
) -> dict[str, Manifest]:
    most = {"toy/a": 0.3, "toy/b": 1.0}[name]
    visited = declare({"friction": [0.0, 0.5, 1.0]}).add({"friction": np.asarray([0.0, most])}).to_json()
    edges = [Edge("trained_in", inputs["world"])]
    if "begin" in inputs:
        edges.append(Edge("derived_from", inputs["begin"], {"relation": "finetune"}))
    manifest = Manifest("policy", name, {"visited": visited}, {}, tuple(edges))
    return {"policy": replaced(manifest, "policy", supersedes)}


def measured(
    registry: Registry, inputs: Mapping[str, str], name: str, supersedes: Mapping[str, str] = {}
) -> dict[str, Manifest]:
    name = registry.get(inputs["policy"]).name
    edges = (Edge("evaluates", inputs["policy"]), Edge("evaluated_in", inputs["world"]))
    evaluation = replaced(Manifest("evaluation", f"{name}/test", {}, {}, edges), "evaluation", supersedes)
    claim = Manifest("claim", f"{name}/claim", {}, {}, (Edge("supports", manifest_id(evaluation)),))
    return {"evaluation": evaluation, "claim": replaced(claim, "claim", supersedes)}


class Story:
    """A world with two policies and their claims, a defect, and a patch."""

    def __init__(self, registry: Registry) -> None:
        self.registry, self.maker = registry, Maker(registry)
        self.v1 = registry.register(Manifest("simulator", "toy/world", {"weights": 1})).id
        self.a, self.b = (self.train(name) for name in ("toy/a", "toy/b"))
        self.claims = {name: self.measure(one) for name, one in (("a", self.a), ("b", self.b))}
        patch = (Edge("derived_from", self.v1, {"relation": "patch"}),)
        self.v2 = registry.register(Manifest("simulator", "toy/world", {"weights": 2}, {}, patch)).id
        regressions = registry.register(Manifest("scenario_set", "toy/ice")).id
        registry.append(Advisory("ice", "slips", "high", (self.v1,), SLIPPERY, (self.v2,), (regressions,)))

    def train(self, name: str) -> str:
        inputs = {"world": self.v1}
        return made(self.registry, work("train", inputs, relation=""), policy(self.registry, inputs, name))["policy"]

    def measure(self, one: str) -> str:
        inputs = {"policy": one, "world": self.v1}
        return made(self.registry, work("evaluate", inputs), measured(self.registry, inputs, ""))["claim"]

    def rebuild(self, **options: object) -> dict[str, tuple[str, str]]:
        finetune = bool(options.pop("finetune", False))
        steps = plan(self.registry.graph([self.v1, self.v2], down=True), self.v1, self.v2, finetune=finetune)
        return {done.id: (done.outcome, done.new) for done in rebuild(self.registry, steps, self.maker, **options)}

    def status(self, version: str) -> str:
        return str(status_of(self.registry.graph([version]), version).status)


@pytest.fixture
def story(tmp_path):
    with Registry.open(tmp_path / "registry") as registry:
        yield Story(registry)


def test_each_step_is_done_in_order(story) -> None:
    assert [story.status(one) for one in (story.a, story.b, story.claims["b"])] == ["SUSPECT", "STALE", "STALE"]
    done = story.rebuild()
    assert done[story.a] == ("replayed", story.a) and story.maker.replayed == ["toy/a"]
    outcome, new = done[story.b]
    assert outcome == "made" and story.status(new) == "FRESH" and story.status(story.a) == "FRESH"
    assert [e.target for e in story.registry.get(new).edges] == [story.v2, story.b]
    assert (
        story.maker.made[0] == ("train", "toy/b")
        and sorted(verb for verb, _ in story.maker.made[1:]) == ["evaluate"] * 2
    )
    outcome, claim = done[story.claims["b"]]
    assert story.status(claim) == "FRESH" and story.status(story.claims["b"]) == "STALE"
    (evaluation,) = [e.target for e in story.registry.get(claim).edges if e.role == "supports"]
    assert {e.role: e.target for e in story.registry.get(evaluation).edges}["evaluates"] == new


def test_a_second_rebuild_costs_nothing(story) -> None:
    first = story.rebuild()
    count, asked = len(story.registry.versions()), list(story.maker.made)
    second = story.rebuild()
    assert story.maker.made == asked and len(story.registry.versions()) == count
    assert second[story.b] == ("reused", first[story.b][1])
    assert not {"made", "replayed"} & {outcome for outcome, _ in second.values()}


def test_a_rebuild_that_was_interrupted_goes_on(story) -> None:
    make, story.maker.make = story.maker.make, None
    story.maker.make = lambda action, *rest: make(action, *rest) if action.command["verb"] == "train" else 1 / 0
    with pytest.raises(ZeroDivisionError):
        story.rebuild()
    story.maker.make = make
    done = story.rebuild()
    assert [name for verb, name in story.maker.made if verb == "train"] == ["toy/b"]
    assert done[story.b][0] == "reused" and story.status(done[story.claims["b"]][1]) == "FRESH"


def test_only_what_is_asked_for_with_what_measures_it(story) -> None:
    done = story.rebuild(only=[story.b])
    assert story.a not in done and story.claims["a"] not in done
    assert done[story.b][0] == done[story.claims["b"]][0] == "made" and story.maker.replayed == []


def test_a_fine_tune_leaves_its_debt(story) -> None:
    new = story.rebuild(finetune=True)[story.b][1]
    edges = {e.role: e for e in story.registry.get(new).edges}
    assert edges["derived_from"].target == story.b and edges["derived_from"].attributes["relation"] == "finetune"
    owed = debt(story.registry.graph([new]), new, now=0.0)
    assert owed.patch_depth >= 1 and owed.full_build == story.b


def test_work_of_other_code_is_done_again(story) -> None:
    story.rebuild()
    story.maker.code = "other"
    action = work("train", {"world": story.v2}, relation="")
    assert find_made(story.registry, action.key()) is None
    assert story.rebuild()[story.b][0] == "reused"


def test_what_nobody_recorded_is_left(story) -> None:
    by_hand = Manifest("policy", "toy/by-hand", {}, {}, (Edge("trained_in", story.v1),))
    version = story.registry.register(by_hand).id
    outcome, new = story.rebuild()[version]
    assert (outcome, new) in {("left", ""), ("replayed", version)}


def test_what_cannot_be_done_again_is_left_with_what_was_made_with_it(story) -> None:
    story.maker.refused = "train"
    done = story.rebuild()
    assert done[story.b] == ("left", "") and done[story.claims["b"]] == ("left", "")
    assert done[story.a][0] == "replayed" and done[story.claims["a"]][0] == "made"


def test_what_is_asked_for_is_made_anew_although_nothing_makes_it_stale(story) -> None:
    graph = story.registry.graph([story.v1, story.v2], down=True)
    steps = plan(graph, story.v1, story.v2, retrain=[story.a])
    assert {step.id: step.action for step in steps.steps}[story.a] == "retrain"
    done = {one.id: one for one in rebuild(story.registry, steps, story.maker)}
    assert done[story.a].outcome == "made" and story.status(done[story.a].new) == "FRESH"
    with pytest.raises(DataError, match="does not rest on"):
        plan(graph, story.v1, story.v2, retrain=[story.v2])
    with pytest.raises(DataError, match="cannot be replaced"):
        check_alike(graph, story.v1, story.a)
