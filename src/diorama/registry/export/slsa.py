"""Provenance: an in-toto statement (v1) with the SLSA provenance predicate (v1) of one recorded build.

Required fields after github.com/in-toto/attestation (spec/v1/statement.md) and slsa.dev/provenance/v1. The builder is
the machine that ran Diorama, which nobody isolated: signed or not, such a statement reaches SLSA build level 1.
"""

from typing import Any

import diorama
from diorama.registry.export.reading import Reader, build_or_refuse, resources, urn, utc
from diorama.registry.records import Version

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:diorama:build:1"
BUILDER = "urn:diorama:builder:unattested"
"""The builder's name where none is given: says that nobody vouches for the machine."""


def provenance(reader: Reader, name: str, *, builder: str = BUILDER) -> dict[str, Any]:
    """The statement of the build that ``name`` finds, or of the newest build that made the version it finds.

    Subjects are the outputs: each by its manifest (digest = the version's id) and each of its blobs. Raises `DataError`
    where no build is recorded.
    """
    build = build_or_refuse(reader, name)
    outputs = [reader.get(edge.target) for edge in build.edges if edge.role == "output"]
    return {
        "_type": STATEMENT,
        "subject": [subject for output in outputs for subject in _subjects(output)],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": _definition(reader, build),
            "runDetails": _details(build, builder),
        },
    }


def _subjects(output: Version) -> list[dict[str, Any]]:
    """The manifest and the blobs, under names that are unique within the statement."""
    own = f"{output.name}@{output.id[:12]}"
    files = sorted(output.manifest.blobs.items())
    return [
        {"name": own, "uri": urn(output), "digest": {"sha256": output.id}},
        *({"name": f"{own}/{name}", "digest": {"sha256": digest}} for name, digest in files),
    ]


def _definition(reader: Reader, build: Version) -> dict[str, Any]:
    fields, taken = build.fields, resources(build)
    inside = {"action_key": fields.get("action_key"), "device": taken.get("device")}
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {"command": fields.get("command"), "seeds": fields.get("seeds", [])},
        "internalParameters": {name: value for name, value in inside.items() if value},
        "resolvedDependencies": [*_inputs(reader, build), *_environment(build)],
    }


def _inputs(reader: Reader, build: Version) -> list[dict[str, Any]]:
    found = []
    for edge in build.edges:
        if edge.role == "input":
            version = reader.get(edge.target)
            notes = {"role": edge.attributes.get("role", "input"), "kind": version.kind}
            found.append(
                {"name": version.name, "uri": urn(version), "digest": {"sha256": version.id}, "annotations": notes}
            )
    return found


def _environment(build: Version) -> list[dict[str, Any]]:
    """The code and the locked environment, which SLSA counts among the dependencies."""
    named = (("code", "code_digest"), ("environment lock", "lock_digest"))
    return [{"name": what, "digest": {"sha256": build.fields[key]}} for what, key in named if build.fields.get(key)]


def _details(build: Version, builder: str) -> dict[str, Any]:
    metadata = {"invocationId": urn(build)}
    started, took = build.fields.get("started_at"), resources(build).get("wall_s")
    if isinstance(started, int | float):
        metadata["startedOn"] = utc(started)
        if isinstance(took, int | float):
            metadata["finishedOn"] = utc(started + took)
    return {"builder": {"id": builder, "version": {"diorama": diorama.__version__}}, "metadata": metadata}
