"""Manifests of what Diorama makes: datasets, worlds, reality, policies. What is alike has the same manifest.

JAX-free: artifacts are read as files. A dataset's episodes are one list in a blob (``episodes.json``), not a version
each; the registry finds each by its digest (`diorama.registry.episodes`). A dataset's rows and pictures stay where they
are; the Merkle root of its episodes says which they are.
"""

import inspect
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.canonical import canonical, to_json
from diorama.core.errors import DataError
from diorama.data import Dataset
from diorama.data.trajectories import SCENARIO
from diorama.recipes.book import Book
from diorama.registry.actions import code_digest
from diorama.registry.episodes import EPISODES, OPERATOR
from diorama.registry.records import Edge, Manifest
from diorama.registry.visits import Visits, declare

DESCRIPTION, WEIGHTS = "artifact.json", "weights.safetensors"
STARTS = "starts.json"
"""First observations, by name one row for each episode: what an audit compares."""
_START_ENTRIES = 64
_BINS, _CELLS_ROWS, _CELLS_KEPT = 16, 4096, 256


def slug(text: str) -> str:
    """A text as part of a family's name: small letters, digits and ``. _ -``."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._") or "unnamed"


def family(*parts: str) -> str:
    """A family's name from its parts, such as ``push-t/world``."""
    return "/".join(slug(part) for part in parts)[:200]


def dataset_manifest(book: Book, dataset: Dataset, name: str, edges: Sequence[Edge] = ()) -> Manifest:
    """The first so many episodes of a dataset: the Merkle root, what the episodes are, and on what they rest."""
    episodes = [to_json(identity) for identity in dataset.identities]
    operators = sorted({identity.ids.get(OPERATOR, "unknown") for identity in dataset.identities})
    fields = {
        "merkle_root": dataset.identity,
        "episodes": dataset.num_episodes,
        "frames": dataset.num_frames,
        "fps": float(dataset.fps),
        "world": dataset.info.robot_type or "unknown",
        "features": sorted(dataset.features),
        "operators": operators,
        "splits": dict(dataset.info.splits),
        "filters": [],
        "licence": "unknown",
    }
    blobs = {EPISODES: book.registry.add_blob(canonical(episodes).encode())}
    if starts := first_observations(dataset):
        blobs[STARTS] = book.registry.add_blob(canonical(starts).encode())
    return Manifest("dataset", name, fields, blobs, tuple(edges))


def first_observations(dataset: Dataset) -> dict[str, list]:
    """The first row of every episode, for each short vector that is observed."""
    found = {}
    for key, feature in sorted(dataset.info.features.items()):
        small = not feature.is_camera and feature.dtype != "string" and np.prod(feature.shape) <= _START_ENTRIES
        if key.startswith("observation.") and small and dataset.num_episodes:
            rows = np.asarray(dataset.column(key), np.float64)[dataset.starts]
            found[key.removeprefix("observation.")] = rows.reshape(len(rows), -1).tolist()
    return found


def acted(policies: Sequence[tuple[str, str]]) -> list[Edge]:
    """The edges of a dataset to who acted in it: pairs of an operator's name and a policy's id."""
    names: dict[str, list[str]] = {}
    for operator, policy in policies:
        names.setdefault(policy, []).append(operator)
    return [Edge("data_from", policy, {OPERATOR: found}) for policy, found in names.items()]


def dataset_id(book: Book, dataset: Dataset, name: str | None = None) -> str:
    """The version of these episodes, registered now where it was not: nothing then says where they came from."""
    found = find_dataset(book, dataset.identity)
    if found is None:
        name = name or family(dataset.info.robot_type or "data", dataset.path.name)
        found = book.registry.register(dataset_manifest(book, dataset, name)).id
    book.places.note(found, dataset.path)
    return found


def find_dataset(book: Book, root: str) -> str | None:
    """The newest version with this Merkle root."""
    versions = book.registry.versions(kind="dataset")
    return next((v.id for v in sorted(versions, key=_newest) if v.fields.get("merkle_root") == root), None)


def world_manifest(
    book: Book,
    folder: Path,
    name: str,
    edges: Sequence[Edge] = (),
    exam: Path | None = None,
    visited: Mapping[str, Any] | None = None,
) -> Manifest:
    """A learned world: its artifact as blobs, the contract of its spec, its family, its exam, and what its data cover.

    ``exam``: the file, where there is one.
    """
    described, blobs = _artifact(book, folder)
    fields: dict[str, Any] = {
        "origin": "learned",
        "contract": described["spec"],
        "family": tags(described),
        "config": described["config"],
    }
    if visited is not None:
        fields["visited"] = dict(visited)
    if exam is not None and exam.is_file():
        blobs["exam.json"] = book.registry.add_blob(exam)
        fields["exam"] = exam_figures(json.loads(exam.read_text(encoding="utf-8")))
    return Manifest("simulator", name, fields, blobs, tuple(edges))


def policy_manifest(
    book: Book, folder: Path, name: str, edges: Sequence[Edge] = (), visited: Mapping[str, Any] | None = None
) -> Manifest:
    """A trained policy: its artifact as blobs, the contract of its spec, and what it visited in training."""
    described, blobs = _artifact(book, folder)
    fields: dict[str, Any] = {
        "kind": described["kind"],
        "contract": described["spec"],
        "config": described["config"],
    }
    if visited is not None:
        fields["visited"] = dict(visited)
    return Manifest("policy", name, fields, blobs, tuple(edges))


def artifact_id(book: Book, kind: str, folder: Path, name: str) -> str:
    """The version of an artifact's weights and description, registered now where it was not."""
    _, blobs = _artifact(book, folder)
    alike = [{one.id for one in book.registry.holding(digest, name)} for name, digest in blobs.items()]
    for line in book.registry.holding(blobs[WEIGHTS], WEIGHTS):
        if line.kind == kind and all(line.id in ids for ids in alike):
            return line.id
    make = world_manifest if kind == "simulator" else policy_manifest
    return book.registry.register(make(book, folder, name)).id


def reality_id(book: Book, task: str, env: Any) -> str:
    """The simulator of a task that stands for reality, as the code of its package simulates it now."""
    spec, package = env.spec, Path(inspect.getfile(type(env))).resolve().parent
    fields = {
        "origin": "physics",
        "stands_for": "reality",
        "contract": to_json(spec),
        "family": ["physics", spec.name],
        "code_digest": code_digest(package.glob("*.py"), package),
    }
    return book.registry.register(Manifest("simulator", family(_task(task), "reality"), fields)).id


def physics_manifest(task: str, world: str, structure: str, parameters: Mapping[str, float], env: Any) -> Manifest:
    """Another simulator of a task, as its code simulates it now, with what was identified of it."""
    package = Path(inspect.getfile(type(env))).resolve().parent
    fields = {
        "origin": "physics",
        "world": world,
        "contract": to_json(env.spec),
        "family": ["physics", structure],
        "parameters": dict(parameters),
        "code_digest": code_digest(package.glob("*.py"), package),
    }
    return Manifest("simulator", family(_task(task), world), fields)


def scripted_id(book: Book, task: str, actor: str) -> str:
    """A policy that needs no training: random actions, a script."""
    fields = {"kind": "scripted", "actor": actor}
    return book.registry.register(Manifest("policy", family(_task(task), actor), fields)).id


def replacing(manifest: Manifest, old: str | None) -> Manifest:
    """The manifest with an edge that says what it supersedes, if anything."""
    return manifest if old is None else replace(manifest, edges=(*manifest.edges, Edge("supersedes", old)))


def visited(dataset: Dataset, observations: Sequence[str]) -> dict[str, Any]:
    """What a policy visits that starts from a dataset's rows: factors of variation, and cells of its observations.

    See `coverage`. It stands for what was imagined where that was not sampled.
    """
    empty, factors = coverage(dataset, observations)
    return empty.add(factors, _some_rows(dataset, observations)).to_json() | {"basis": "rows of the data"}


def coverage(dataset: Dataset, observations: Sequence[str]) -> tuple[Visits, dict[str, np.ndarray]]:
    """An empty sketch that suits a dataset, and the value of each factor at each of its rows [N].

    A vector factor is recorded entry by entry (``agent_low.0``). The side of a cell is a power of two near the spread
    of the observation, so that datasets of one world mostly agree on it.
    """
    columns = {key.removeprefix(SCENARIO): dataset.column(key) for key in dataset.features if key.startswith(SCENARIO)}
    factors = {name: values for key, column in columns.items() for name, values in _entries(key, column)}
    sides = {name: _side(values) for name, values in _some_rows(dataset, observations).items()}
    return declare({name: _edges(values) for name, values in factors.items()}, sides or None, _CELLS_KEPT), factors


def vectors(dataset: Dataset, observations: Iterable[str]) -> list[str]:
    """Those of the observations that the dataset holds as numbers, not as pictures."""
    return [
        name
        for name in observations
        if f"observation.{name}" in dataset.features and f"observation.{name}" not in dataset.camera_keys
    ]


def _some_rows(dataset: Dataset, observations: Sequence[str]) -> dict[str, np.ndarray]:
    rows = np.linspace(0, dataset.num_frames - 1, min(_CELLS_ROWS, dataset.num_frames)).astype(int)
    return {name: np.asarray(dataset.column(f"observation.{name}"), np.float64)[rows] for name in observations}


def exam_figures(exam: Mapping[str, Any]) -> dict[str, Any]:
    """The headline of an open-loop exam: the error of the model and of repeating the first observation, at the end."""
    figures: dict[str, Any] = {"horizon": exam["horizon"][-1]}
    for who in ("model", "copy_last"):
        if who in exam:
            figures[who] = {bound: exam[who][bound][-1] for bound in ("mean", "low", "high") if bound in exam[who]}
    return figures


def _artifact(book: Book, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The description of an artifact, and its two files as blobs."""
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} holds no readable {DESCRIPTION} ({error}); save the artifact again.") from error
    return described, {name: book.registry.add_blob(folder / name) for name in (DESCRIPTION, WEIGHTS)}


def tags(described: Mapping[str, Any]) -> list[str]:
    """What tells this world from one of another structure."""
    config = described["config"]
    network = config.get("network") if isinstance(config, Mapping) else None
    return ["learned", described["kind"], *([network] if isinstance(network, str) and network else [])]


def _entries(key: str, column: np.ndarray) -> list[tuple[str, np.ndarray]]:
    flat = np.asarray(column, np.float64).reshape(len(column), -1)
    if flat.shape[1] == 1:
        return [(key, flat[:, 0])]
    return [(f"{key}.{entry}", flat[:, entry]) for entry in range(flat.shape[1])]


def _edges(values: np.ndarray) -> list[float]:
    """Edges of equal bins between the extremes; one where nothing varies."""
    low, high = float(values.min()), float(values.max())
    return [low] if low == high else np.linspace(low, high, _BINS + 1).tolist()


def _side(values: np.ndarray) -> float:
    spread = float(values.reshape(len(values), -1).std(axis=0).max())
    return float(2.0 ** np.round(np.log2(spread))) if spread > 0 else 1.0


def _task(name: str) -> str:
    """``file.py:Class``, ``gym:ID`` and the imagination of a world as a family."""
    return name.removeprefix("imagined ").rsplit("/", 1)[-1]


def _newest(version: Any) -> int:
    return -version.sequence
