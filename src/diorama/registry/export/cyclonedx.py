"""A CycloneDX machine-learning bill of materials: one version and everything that it rests on, as JSON.

Learned things are components of type ``machine-learning-model`` with a model card, data are of type ``data``, and every
edge is a dependency with its role among the component's properties. Fields after the JSON schemas 1.6 and 1.7 of
cyclonedx.org; what the registry does not know is left out and never made up.
"""

import uuid
from typing import Any

import diorama
from diorama.core.canonical import canonical
from diorama.core.errors import ConfigError
from diorama.registry.export.reading import (
    JOULES_PER_KWH,
    SPDX,
    Figure,
    Reader,
    Standing,
    ancestry,
    build_of,
    figures,
    licence,
    resources,
    targets,
    utc,
)
from diorama.registry.facts import origin
from diorama.registry.records import Version

SCHEMAS = ("1.6", "1.7")
"""Versions of CycloneDX that are written; the fields used are the same."""
MODELS = ("simulator", "policy", "judge")
_TYPES = {"physics": "application", "real": "device"}
_DATA = {"dataset": "dataset", "episode": "dataset", "scenario_set": "configuration", "protocol": "configuration"}


def bill_of_materials(
    reader: Reader, name: str, *, schema: str = "1.6", standing: Standing | None = None
) -> dict[str, Any]:
    """The bill of the version that ``name`` finds. ``standing``: its status and defects, written as limitations."""
    if schema not in SCHEMAS:
        raise ConfigError(f"CycloneDX {schema} is not written; choose one of {', '.join(SCHEMAS)}.")
    subject = reader.get(name)
    versions = ancestry(reader, subject)
    main = _component(reader, subject, standing)
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{schema}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": schema,
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"urn:diorama:bill:{subject.id}").urn,
        "version": 1,
        "metadata": {
            "timestamp": utc(subject.created),
            "tools": {"components": [{"type": "application", "name": "diorama", "version": diorama.__version__}]},
            "component": main,
        },
        "components": [_component(reader, v, None) for v in versions.values() if v.id != subject.id],
        "dependencies": [_dependency(version) for version in versions.values()],
    }


def _component(reader: Reader, version: Version, standing: Standing | None) -> dict[str, Any]:
    component = _identity(version) | {
        "bom-ref": version.id,
        "hashes": [{"alg": "SHA-256", "content": version.id}],
        "properties": _properties(version),
    }
    if declared := licence(version):
        component["licenses"] = [{"license": {"id" if declared in SPDX.values() else "name": declared}}]
    if ancestors := targets(reader, version, "derived_from"):
        component["pedigree"] = {
            "ancestors": [_identity(parent) for _, parent in ancestors],
            "notes": "; ".join(f"{edge.attributes.get('relation', '')} of {v.name}" for edge, v in ancestors),
        }
    if component["type"] == "machine-learning-model":
        component["modelCard"] = _card(reader, version, standing)
    if component["type"] == "data":
        component["data"] = [{"type": _DATA.get(version.kind, "other"), "name": version.name}]
    return component


def _identity(version: Version) -> dict[str, Any]:
    return {"type": _type(version), "name": version.name, "version": version.id}


def _type(version: Version) -> str:
    """A physics simulator is a program and reality is a device; a hybrid counts as learned."""
    if version.kind not in MODELS:
        return "data"
    return _TYPES.get(origin(version), "machine-learning-model")


def _properties(version: Version) -> list[dict[str, str]]:
    """Kind, files and roles: what CycloneDX has no field for."""
    found = [("diorama:kind", version.kind)]
    found += [(f"diorama:blob:{name}", digest) for name, digest in sorted(version.manifest.blobs.items())]
    for edge in version.edges:
        text = {"target": edge.target} | ({"attributes": edge.attributes} if edge.attributes else {})
        found.append((f"diorama:role:{edge.role}", canonical(text)))
    return [{"name": name, "value": value} for name, value in found]


def _dependency(version: Version) -> dict[str, Any]:
    return {"ref": version.id, "dependsOn": list(dict.fromkeys(edge.target for edge in version.edges))}


def _card(reader: Reader, version: Version, standing: Standing | None) -> dict[str, Any]:
    fields = version.fields
    known = {name: fields.get(key) for name, key in (("task", "task"), ("modelArchitecture", "architecture"))}
    parameters: dict[str, Any] = {name: str(value) for name, value in known.items() if value}
    if data := targets(reader, version, "trained_on", "data_from"):
        parameters["datasets"] = [{"ref": ref} for ref in dict.fromkeys(dataset.id for _, dataset in data)]
    card = {"modelParameters": parameters} if parameters else {}
    if measured := figures(reader, version):
        card["quantitativeAnalysis"] = {"performanceMetrics": [_metric(figure) for figure in measured]}
    if considerations := _considerations(reader, version, standing):
        card["considerations"] = considerations
    return card


def _metric(figure: Figure) -> dict[str, Any]:
    metric: dict[str, Any] = {"type": figure.metric, "value": repr(figure.value)}
    if place := ", ".join((*figure.worlds, *figure.scenarios)):
        metric["slice"] = place
    if figure.low is not None and figure.high is not None:
        metric["confidenceInterval"] = {"lowerBound": repr(figure.low), "upperBound": repr(figure.high)}
    return metric


def _considerations(reader: Reader, version: Version, standing: Standing | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if standing is not None:
        defects = [f"{advisory.id} ({advisory.severity}): {advisory.title}" for advisory in standing.advisories]
        found["technicalLimitations"] = [f"status {standing.status}", *standing.causes, *defects]
    build = build_of(reader, version)
    joules = resources(build).get("joules") if build else None
    if isinstance(joules, int | float):
        found["environmentalConsiderations"] = {"energyConsumptions": [_energy(build, float(joules))]}
    return found


def _energy(build: Version, joules: float) -> dict[str, Any]:
    """Who provided the energy is not known to the registry; how it was measured is."""
    source = str(resources(build).get("energy_source", "none"))
    return {
        "activity": "training",
        "energyProviders": [],
        "activityEnergyCost": {"value": joules / JOULES_PER_KWH, "unit": "kWh"},
        "properties": [{"name": "diorama:energy_source", "value": source}],
    }
