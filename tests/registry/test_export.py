"""Exports: the fields that each format requires, what the registry knows in them, and nothing that it does not know."""

import json
import re
import sys
import uuid
from pathlib import Path

import pytest

from diorama.core.errors import ConfigError, DataError
from diorama.registry.export import Standing, bill_of_materials, card_text, export_to_mlflow, provenance, run_events
from diorama.registry.export.mlflow import describe
from diorama.registry.records import Advisory, Edge, Manifest, Version
from diorama.registry.registry import Registry

ESTIMATE = {"value": 0.8, "low": 0.7, "high": 0.9, "count": 50, "level": 0.95, "method": "wilson"}
STANDING = Standing(
    "STALE",
    ("trained in push-t/world, whose friction is wrong",),
    (Advisory("a-1", "friction | <b>too low</b>", "high"),),
)
SHA = re.compile(r"[0-9a-f]{64}")


class Story:
    """Data, a world and its patched child, a policy with a build, an evaluation and a claim, in a registry."""

    def __init__(self, registry: Registry) -> None:
        def register(kind: str, name: str, fields: dict, *edges: Edge, blobs: dict | None = None) -> Version:
            return registry.register(Manifest(kind, name, fields, blobs or {}, edges))

        weights = registry.add_blob((2).to_bytes(8, "little") + b"{}")
        self.registry = registry
        self.data = register("dataset", "push-t/data", {"licence": "cc-by-4.0", "episodes": 20})
        self.old = register("simulator", "push-t/world", {"kind": "learned"}, Edge("trained_on", self.data.id))
        self.new = register(
            "simulator", "push-t/world", {"kind": "learned", "fix": 1},
            Edge("derived_from", self.old.id, {"relation": "patch"}), Edge("trained_on", self.data.id),
        )  # fmt: skip
        self.physics = register("simulator", "push-t/physics", {"kind": "physics"})
        self.policy = register(
            "policy", "push-t/policy", {"licence": "Apache-2.0"},
            Edge("trained_in", self.new.id), blobs={"weights.safetensors": weights},
        )  # fmt: skip
        self.build = register(
            "build", "action/abc",
            {
                "command": {"verb": "train", "steps": 100}, "seeds": [0], "code_digest": "c" * 64,
                "lock_digest": "d" * 64, "started_at": 1_700_000_000.0, "action_key": "abc",
                "resources": {"wall_s": 90.5, "joules": 7.2e6, "energy_source": "rapl", "device": "cpu"},
            },
            Edge("input", self.new.id, {"role": "trained_in"}), Edge("output", self.policy.id, {"role": "policy"}),
        )  # fmt: skip
        self.evaluation = register(
            "evaluation", "push-t/eval", {"estimates": {"success": ESTIMATE, "return": 3.5}},
            Edge("evaluates", self.policy.id), Edge("evaluated_in", self.physics.id),
        )  # fmt: skip
        self.claim = register(
            "claim", "push-t/claim",
            {"estimand": "success on held-out starts", "estimate": 0.8, "interval": [0.7, 0.9], "evidence_level": "L6"},
            Edge("supports", self.evaluation.id),
        )  # fmt: skip


@pytest.fixture
def story(tmp_path: Path):
    with Registry.open(tmp_path / "registry") as registry:
        yield Story(registry)


def test_provenance_is_an_in_toto_statement(story: Story) -> None:
    statement = provenance(story.registry, story.policy.id)
    assert statement == provenance(story.registry, story.build.id)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    digests = [subject["digest"]["sha256"] for subject in statement["subject"]]
    assert digests == [story.policy.id, story.policy.manifest.blobs["weights.safetensors"]]
    names = [subject["name"] for subject in statement["subject"]]
    assert len(set(names)) == len(names)
    definition, details = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
    assert ":" in definition["buildType"] and ":" in details["builder"]["id"]
    assert definition["externalParameters"] == {"command": {"verb": "train", "steps": 100}, "seeds": [0]}
    assert [d["digest"]["sha256"] for d in definition["resolvedDependencies"]] == [story.new.id, "c" * 64, "d" * 64]
    assert definition["resolvedDependencies"][0]["annotations"] == {"role": "trained_in", "kind": "simulator"}
    assert details["metadata"]["startedOn"] == "2023-11-14T22:13:20.000Z"
    assert details["metadata"]["finishedOn"] == "2023-11-14T22:14:50.500Z"


def test_no_provenance_is_made_up(story: Story) -> None:
    for export in (provenance, run_events):
        with pytest.raises(DataError, match="No build is recorded that made push-t/data"):
            export(story.registry, story.data.id)


def test_run_events_follow_openlineage(story: Story) -> None:
    start, complete = run_events(story.registry, story.policy.id)
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["eventTime"] < complete["eventTime"]
    assert start["run"] == complete["run"] and uuid.UUID(start["run"]["runId"])
    assert start["job"]["name"] == "train:push-t/policy"
    for event in (start, complete):
        assert {"eventTime", "producer", "schemaURL", "run", "job", "inputs", "outputs"} <= set(event)
    [read], [made] = complete["inputs"], complete["outputs"]
    assert read["facets"]["version"]["datasetVersion"] == story.new.id
    assert read["inputFacets"]["diorama_role"]["role"] == "trained_in"
    assert made["name"] == "push-t/policy" and made["outputFacets"]["diorama_role"]["kind"] == "policy"
    assert all({"_producer", "_schemaURL"} <= set(facet) for facet in facets(complete))


def facets(value: object) -> list[dict]:
    """Every facet in an event: the values of each mapping whose key ends in ``facets``."""
    found = []
    for key, inner in value.items() if isinstance(value, dict) else ():
        found += list(inner.values()) if key.lower().endswith("facets") else facets(inner)
    for inner in value if isinstance(value, list) else ():
        found += facets(inner)
    return found


@pytest.mark.parametrize("schema", ["1.6", "1.7"])
def test_a_bill_names_everything_that_a_version_rests_on(story: Story, schema: str) -> None:
    bill = bill_of_materials(story.registry, story.policy.id, schema=schema, standing=STANDING)
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", schema, 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    main = bill["metadata"]["component"]
    parts = {part["bom-ref"]: part for part in [main, *bill["components"]]}
    assert set(parts) == {story.policy.id, story.new.id, story.old.id, story.data.id}
    assert len(bill["components"]) == 3
    assert {d["ref"]: set(d["dependsOn"]) for d in bill["dependencies"]} == {
        story.policy.id: {story.new.id},
        story.new.id: {story.old.id, story.data.id},
        story.old.id: {story.data.id},
        story.data.id: set(),
    }
    assert parts[story.data.id]["type"] == "data" and main["type"] == "machine-learning-model"
    assert main["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert parts[story.data.id]["licenses"] == [{"license": {"id": "CC-BY-4.0"}}]
    assert parts[story.new.id]["pedigree"]["ancestors"] == [
        {"type": "machine-learning-model", "name": "push-t/world", "version": story.old.id}
    ]
    assert parts[story.new.id]["modelCard"]["modelParameters"]["datasets"] == [{"ref": story.data.id}]


def test_a_bill_tells_figures_with_intervals_defects_and_energy(story: Story) -> None:
    bill = bill_of_materials(story.registry, story.policy.id, standing=STANDING)
    card = bill["metadata"]["component"]["modelCard"]
    without, with_interval = card["quantitativeAnalysis"]["performanceMetrics"]
    assert without == {"type": "return", "value": "3.5", "slice": "push-t/physics"}
    assert with_interval["confidenceInterval"] == {"lowerBound": "0.7", "upperBound": "0.9"}
    considered = card["considerations"]
    assert considered["technicalLimitations"][:2] == ["status STALE", STANDING.causes[0]]
    [energy] = considered["environmentalConsiderations"]["energyConsumptions"]
    assert energy["activityEnergyCost"] == {"value": 2.0, "unit": "kWh"}
    assert energy["properties"] == [{"name": "diorama:energy_source", "value": "rapl"}]


def test_physics_is_no_learned_model_and_an_unknown_schema_is_refused(story: Story) -> None:
    bill = bill_of_materials(story.registry, story.physics.id)
    assert bill["metadata"]["component"]["type"] == "application"
    assert "modelCard" not in bill["metadata"]["component"]
    with pytest.raises(ConfigError, match="choose one of"):
        bill_of_materials(story.registry, story.physics.id, schema="1.4")


def front_matter(card: str) -> dict:
    """The YAML of a card: keys with a quoted text or a list of quoted texts."""
    found: dict = {}
    head = card.split("---\n")[1]
    for line in head.splitlines():
        if line.startswith("- "):
            found.setdefault(key, []).append(json.loads(line[2:]))  # noqa: F821
        else:
            key, _, text = line.partition(":")
            found |= {key: json.loads(text)} if text.strip() else {}
    return found


def test_a_card_states_level_status_and_intervals(story: Story) -> None:
    card = card_text(story.registry, story.policy.id, standing=STANDING)
    assert front_matter(card) == {
        "license": "apache-2.0",
        "library_name": "diorama",
        "tags": ["diorama", "policy", "policy"],
        "metrics": ["return", "success"],
    }
    assert "**STALE**" in card and STANDING.causes[0] in card
    assert "| success on held-out starts | 0.8 | 0.7 to 0.9 |" in card
    assert "L6: a policy trained inside works outside" in card
    assert "| success | 0.8 | 0.7 to 0.9 at 0.95 | 50 | push-t/physics |" in card
    assert "| return | 3.5 | not recorded | not recorded |" in card
    assert "how sure some of the figures are" in card and "7.2e+06 J, source rapl" in card


def test_a_card_of_a_version_that_nobody_knows_says_so(story: Story) -> None:
    card = card_text(story.registry, story.physics.id)
    for sentence in (
        "nobody states that it works",
        "No evaluation of this version is registered",
        "status was not asked for",
        "No build is recorded",
        "- its licence",
        "no claim of level L5 or above",
    ):
        assert sentence in card
    assert "license" not in front_matter(card)


def test_base_models_are_named_only_as_the_hub_knows_them(story: Story) -> None:
    assert "base_model" not in front_matter(card_text(story.registry, story.new.id))
    hub = {"push-t/world": "lab/push-t-world", "push-t/data": "lab/push-t"}
    found = front_matter(card_text(story.registry, story.new.id, hub=hub))
    assert found["base_model"] == ["lab/push-t-world"] and found["datasets"] == ["lab/push-t"]
    assert "base_model_relation" not in found  # the Hub has no word for a patch
    edge = Edge("derived_from", story.new.id, {"relation": "finetune"})
    tuned = story.registry.register(Manifest("simulator", "push-t/tuned", {}, {}, (edge,)))
    found = front_matter(card_text(story.registry, tuned.id, hub=hub))
    assert found["base_model_relation"] == "finetune"


def test_no_text_breaks_out_of_its_place(story: Story) -> None:
    evil = 'x"\n---\n# Trusted\n| [click](http://a) <script>'
    edge = Edge("evaluates", story.physics.id)
    fields = {"licence": evil}
    version = story.registry.register(Manifest("policy", "push-t/evil", fields))
    story.registry.register(Manifest("evaluation", "e", {"estimates": {evil: 1.0}}, {}, (edge,)))
    card = card_text(story.registry, version.id)
    assert front_matter(card)["license_name"] == evil.replace("\n", " ")
    measured = card_text(story.registry, story.physics.id)
    assert "\n# Trusted" not in measured.split("---\n", 2)[2] and "<script>" not in measured.split("---\n", 2)[2]
    defective = card_text(story.registry, story.policy.id, standing=STANDING)
    assert "friction \\| &lt;b&gt;too low&lt;/b&gt;" in defective


def test_exports_are_the_same_each_time_and_plain_json(story: Story) -> None:
    for export in (provenance, run_events, bill_of_materials):
        first = json.dumps(export(story.registry, story.policy.id), allow_nan=False)
        assert first == json.dumps(export(story.registry, story.policy.id), allow_nan=False)
        assert SHA.search(first)


def test_mlflow_gets_figures_and_roles_as_text(story: Story) -> None:
    record = describe(story.registry, story.policy)
    assert record.model == "push-t.policy"
    assert record.tags["diorama.id"] == story.policy.id
    assert record.tags["diorama.role.trained_in"] == f'["{story.new.id}"]'
    assert record.metrics["success_push-t/physics"] == 0.8 and record.metrics["joules"] == 7.2e6
    assert record.parameters["code_digest"] == "c" * 64
    with pytest.raises(DataError, match="is a dataset; MLflow takes"):
        describe(story.registry, story.data)


def test_without_the_extra_a_sentence_names_it(story: Story, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError, match=r"install diorama\[mlflow\]"):
        export_to_mlflow(story.registry, story.policy.id, f"sqlite:///{tmp_path}/mlflow.db")
