"""Export to an MLflow tracking store: metadata and safetensors, through the extra ``mlflow``.

Never as a pyfunc, because loading one runs code. The store gets a run with parameters, metrics, tags and the files, and
a registered model whose version points at them. MLflow walks no roles; the id among the tags leads back to Diorama.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diorama.core.canonical import canonical
from diorama.core.errors import ConfigError, DataError
from diorama.registry.export.reading import Reader, build_of, figures, licence, resources
from diorama.registry.manifest import manifest_text
from diorama.registry.records import Version

KINDS = ("simulator", "policy", "judge")
"""What MLflow would call a model."""
FILES = (".safetensors", ".json")
"""Files that are exported; others stay in the registry."""
TAG_LETTERS = 5000
"""Longest value of a tag [letters]; MLflow takes 8000 at most, and cuts without a word in some stores."""


@dataclass(frozen=True)
class Record:
    """What one version becomes in MLflow: the registered model's name, tags, parameters, metrics."""

    model: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]


def export_to_mlflow(reader: Reader, name: str, uri: str, *, experiment: str = "diorama") -> str:
    """Write the version that ``name`` finds to the tracking store at ``uri``; returns the id of the MLflow run.

    A version that is there already is not written again. Raises `ConfigError` where the extra is not installed, and
    `DataError` for a version that is no model.
    """
    version = reader.get(name)
    record = describe(reader, version)
    client = _client(uri)
    store = _experiment(client, experiment)
    if (found := _find(client, store, version)) is not None:
        return found
    run = client.create_run(store, tags=dict(record.tags), run_name=f"{version.name}@{version.id[:12]}").info.run_id
    try:
        _write(reader, client, run, version, record)
    except BaseException:
        client.set_terminated(run, status="FAILED")
        raise
    client.set_terminated(run, status="FINISHED")
    return run


def describe(reader: Reader, version: Version) -> Record:
    """What a version becomes in MLflow. Raises `DataError` for a version that is no model."""
    if version.kind not in KINDS:
        raise DataError(f"{version.name} is a {version.kind}; MLflow takes {', '.join(KINDS)}.")
    build = build_of(reader, version)
    taken = resources(build) if build else {}
    metrics = {_key(f"{figure.metric}@{'+'.join(figure.worlds)}"): figure.value for figure in figures(reader, version)}
    metrics |= {_key(key): float(value) for key, value in taken.items() if type(value) in (int, float)}
    return Record(_key(version.name).replace("/", "."), _tags(version, build), _parameters(build), metrics)


def _tags(version: Version, build: Version | None) -> dict[str, str]:
    """Roles as tags of text: MLflow has no edge with a role."""
    tags = {
        "diorama.id": version.id,
        "diorama.kind": version.kind,
        "diorama.name": version.name,
        "diorama.licence": licence(version) or "not declared",
        "diorama.build": build.id if build else "not recorded",
    }
    for role in dict.fromkeys(edge.role for edge in version.edges):
        ids = [edge.target for edge in version.edges if edge.role == role]
        tags[f"diorama.role.{role}"] = canonical(ids)[:TAG_LETTERS]
    return tags


def _parameters(build: Version | None) -> dict[str, str]:
    keys = ("code_digest", "lock_digest", "action_key", "seeds")
    return {key: str(build.fields[key])[:TAG_LETTERS] for key in keys if key in build.fields} if build else {}


def _key(text: str) -> str:
    """A name as MLflow takes it: letters, digits and a few signs, at most 250."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-./") else "_" for letter in text)[
        :250
    ]


def _client(uri: str) -> Any:
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise ConfigError("Export to MLflow needs the package mlflow-skinny; install diorama[mlflow].") from error
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found is not None else client.create_experiment(name)


def _find(client: Any, experiment: str, version: Version) -> str | None:
    """The finished run that holds this version, if any; one that failed half way does not count."""
    query = f"tags.`diorama.id` = '{version.id}' and attributes.status = 'FINISHED'"
    runs = client.search_runs([experiment], filter_string=query, max_results=1)
    return runs[0].info.run_id if runs else None


def _write(reader: Reader, client: Any, run: str, version: Version, record: Record) -> None:
    for key, value in record.parameters.items():
        client.log_param(run, key, value)
    for key, number in record.metrics.items():
        client.log_metric(run, key, number)
    with tempfile.TemporaryDirectory() as folder:
        for path in _files(reader, version, Path(folder)):
            client.log_artifact(run, str(path), "diorama")
    _register(client, run, record)


def _files(reader: Reader, version: Version, folder: Path) -> list[Path]:
    """The manifest and the blobs that cannot run code, side by side; a ``/`` in a blob's name becomes ``_``."""
    manifest = folder / "manifest.json"
    manifest.write_text(manifest_text(version.manifest))
    paths = [manifest]
    for name, digest in sorted(version.manifest.blobs.items()):
        if name.endswith(FILES):
            path = folder / f"{len(paths):03d}-{name.replace('/', '_')[-180:]}"
            reader.copy_blob(digest, path)
            paths.append(path)
    return paths


def _register(client: Any, run: str, record: Record) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(record.model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"{client.get_run(run).info.artifact_uri}/diorama"
    client.create_model_version(record.model, source, run_id=run, tags=dict(record.tags))
