"""OpenLineage run events of one recorded build (spec 2-0-2): START and COMPLETE, with our roles in a facet of our own.

A version is a dataset of the family's name with its id as the dataset version. Source: openlineage.io/spec.
"""

import uuid
from typing import Any

import diorama
from diorama.registry.export.reading import PRODUCER, Reader, build_or_refuse, resources, utc
from diorama.registry.records import Edge, Version

RUN_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = "https://openlineage.io/spec/facets/"
VERSION_FACET = FACETS + "1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
JOB_FACET = FACETS + "2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet"
ENGINE_FACET = FACETS + "1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet"
OWN_FACET = "urn:diorama:facet:{name}:1"


def run_events(reader: Reader, name: str, *, namespace: str = "diorama") -> list[dict[str, Any]]:
    """The START and the COMPLETE event of the build that ``name`` finds or that made what it finds.

    A build is registered when its work ended well, so there is no event of a failure. Raises `DataError` where no build
    is recorded. The time of START is the build's own; where it has none, the time of its registration stands for both.
    """
    build = build_or_refuse(reader, name)
    begun, ended = _times(build)
    inputs = [_dataset(reader, edge, namespace, "inputFacets") for edge in build.edges if edge.role == "input"]
    outputs = [_dataset(reader, edge, namespace, "outputFacets") for edge in build.edges if edge.role == "output"]
    common = {
        "run": _run(build),
        "job": _job(reader, build, namespace),
        "inputs": inputs,
        "outputs": outputs,
        "producer": PRODUCER,
        "schemaURL": RUN_EVENT,
    }
    return [
        {"eventType": "START", "eventTime": utc(begun), **common},
        {"eventType": "COMPLETE", "eventTime": utc(ended), **common},
    ]


def _times(build: Version) -> tuple[float, float]:
    begun = build.fields.get("started_at")
    if not isinstance(begun, int | float):
        return build.created, build.created
    return begun, begun + resources(build).get("wall_s", 0.0)


def _run(build: Version) -> dict[str, Any]:
    keys = ("action_key", "code_digest", "lock_digest", "seeds", "command")
    facets = {
        "processing_engine": _facet(ENGINE_FACET, version=diorama.__version__, name="diorama"),
        "diorama_build": _own("build", id=build.id, **{k: build.fields[k] for k in keys if k in build.fields}),
        "diorama_resources": _own("resources", **resources(build)),
    }
    return {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:diorama:version:{build.id}")), "facets": facets}


def _job(reader: Reader, build: Version, namespace: str) -> dict[str, Any]:
    """A job is what is run again: the verb and the families that it makes, never one build's key."""
    command = build.fields.get("command")
    verb = str(command.get("verb", "build")) if isinstance(command, dict) else "build"
    families = sorted({reader.get(edge.target).name for edge in build.edges if edge.role == "output"})
    facet = _facet(JOB_FACET, processingType="BATCH", integration="DIORAMA", jobType=verb.upper())
    return {"namespace": namespace, "name": ":".join([verb, *families]), "facets": {"jobType": facet}}


def _dataset(reader: Reader, edge: Edge, namespace: str, place: str) -> dict[str, Any]:
    version = reader.get(edge.target)
    role = _own("role", role=edge.attributes.get("role", edge.role), kind=version.kind, version=version.id)
    return {
        "namespace": namespace,
        "name": version.name,
        "facets": {"version": _facet(VERSION_FACET, datasetVersion=version.id)},
        place: {"diorama_role": role},
    }


def _own(name: str, **values: Any) -> dict[str, Any]:
    return _facet(OWN_FACET.format(name=name), **values)


def _facet(schema: str, **values: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": schema, **values}
