"""Exports of every kind of version are valid by the schemas that CycloneDX and OpenLineage publish, and by SLSA's."""

import copy
import datetime
import json
import pathlib
import re
import sys

import jsonschema
import pytest
import referencing
from referencing.jsonschema import DRAFT7

from diorama.registry.export import bill_of_materials, provenance, run_events
from diorama.registry.export.reading import SPDX
from diorama.registry.registry import Registry

sys.path.insert(0, str(pathlib.Path(__file__).parent))
SCHEMAS = pathlib.Path(__file__).parent / "schemas"
URI = re.compile(r"[a-z][a-z0-9+.-]*:\S+")
DIGEST = re.compile(r"[0-9a-f]{64}")


def load(name: str) -> dict:
    return json.loads((SCHEMAS / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def bills() -> jsonschema.Draft7Validator:
    # The licences that are written as ids are those of the list of SPDX; all others are written as names.
    ids = referencing.Resource.from_contents({"enum": sorted(SPDX.values())}, default_specification=DRAFT7)
    known = referencing.Registry().with_resource("http://cyclonedx.org/schema/spdx.schema.json", ids)
    return jsonschema.Draft7Validator(load("cyclonedx-1.6"), registry=known)


@pytest.fixture(scope="module")
def events():
    """Errors of an event, its facets by their own schemas included."""
    schemas = [load(path.stem) for path in SCHEMAS.glob("openlineage-*.json")]
    known = referencing.Registry().with_resources(
        [(one["$id"], referencing.Resource.from_contents(one)) for one in schemas]
    )

    def errors(value: dict, schema: str) -> list[str]:
        found = jsonschema.Draft202012Validator({"$ref": schema}, registry=known)
        return [error.message for error in found.iter_errors(value)]

    return errors


@pytest.fixture
def story(tmp_path):
    from test_export import Story

    with Registry.open(tmp_path / "registry") as registry:
        yield Story(registry)


def test_bills_of_all_versions_are_valid(story, bills) -> None:
    from test_export import STANDING

    for version in story.registry.versions():
        for standing in (None, STANDING):
            bill = bill_of_materials(story.registry, version.id, standing=standing)
            assert [error.message for error in bills.iter_errors(bill)] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda bill: bill.pop("bomFormat"),
        lambda bill: bill["components"][0].update(typo=1),
        lambda bill: bill["metadata"]["component"].update(type="world"),
        lambda bill: bill["dependencies"].append({"ref": bill["dependencies"][0]["ref"], "on": []}),
        lambda bill: bill["metadata"]["component"]["hashes"][0].update(content="abc"),
        lambda bill: bill["metadata"]["component"]["modelCard"].update(level="L6"),
        lambda bill: bill["metadata"]["component"]["licenses"][0]["license"].update(id="LAB-1.0"),
    ],
)
def test_a_spoilt_bill_is_seen(story, bills, spoil) -> None:
    bill = bill_of_materials(story.registry, story.policy.id)
    assert bills.is_valid(bill)
    spoil(bill)
    assert not bills.is_valid(bill)


def test_run_events_and_their_facets_are_valid(story, events) -> None:
    from test_export import facets

    run = load("openlineage-OpenLineage")["$id"] + "#/$defs/RunEvent"
    made = run_events(story.registry, story.policy.id)
    for event in made:
        assert event["schemaURL"] == run and events(event, run) == []
        assert datetime.datetime.fromisoformat(event["eventTime"]).tzinfo is not None
        published = [one for one in facets(event) if one["_schemaURL"].startswith("https://openlineage.io/")]
        assert len(published) == 4
        assert [events(one, one["_schemaURL"]) for one in published] == [[]] * 4
    spoilt = copy.deepcopy(made[0])
    del spoilt["run"]["runId"], spoilt["producer"]
    assert len(events(spoilt, run)) == 2


def faults(statement: dict) -> list[str]:
    """What in-toto's Statement v1 and SLSA's provenance v1 require and this lacks; own words, from their pages."""
    predicate = statement.get("predicate", {})
    definition, details = predicate.get("buildDefinition", {}), predicate.get("runDetails", {})
    subjects, needs = statement.get("subject", []), definition.get("resolvedDependencies", [])
    wanted = {
        "_type": statement.get("_type") == "https://in-toto.io/Statement/v1",
        "predicateType": statement.get("predicateType") == "https://slsa.dev/provenance/v1",
        "subject": bool(subjects) and all(DIGEST.fullmatch(s.get("digest", {}).get("sha256", "")) for s in subjects),
        "names of subjects": len({s.get("name") for s in subjects}) == len(subjects),
        "buildType": bool(URI.fullmatch(str(definition.get("buildType")))),
        "externalParameters": bool(definition.get("externalParameters")),
        "internalParameters": isinstance(definition.get("internalParameters", {}), dict),
        "resolvedDependencies": all(one.get("uri") or one.get("digest") for one in needs),
        "annotations": all(isinstance(one.get("annotations", {}), dict) for one in needs),
        "builder.id": bool(URI.fullmatch(str(details.get("builder", {}).get("id")))),
        "builder.version": all(isinstance(v, str) for v in details.get("builder", {}).get("version", {}).values()),
        "metadata": all(
            datetime.datetime.fromisoformat(details["metadata"][name]).tzinfo is datetime.UTC
            for name in ("startedOn", "finishedOn")
            if name in details.get("metadata", {})
        ),
        "nothing else": set(predicate) <= {"buildDefinition", "runDetails"}
        and set(definition) <= {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"}
        and set(details) <= {"builder", "metadata", "byproducts"}
        and set(statement) == {"_type", "subject", "predicateType", "predicate"},
    }
    return [name for name, sound in wanted.items() if not sound]


def test_provenance_has_what_in_toto_and_slsa_require(story) -> None:
    statement = provenance(story.registry, story.policy.id)
    assert faults(statement) == []
    for name in ("buildType", "externalParameters"):
        spoilt = copy.deepcopy(statement)
        del spoilt["predicate"]["buildDefinition"][name]
        assert faults(spoilt) == [name]
    assert "subject" in faults(statement | {"subject": []})
    assert "nothing else" in faults(statement | {"signed": True})
