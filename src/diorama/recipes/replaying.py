"""Regression scenarios of an advisory: made from recorded episodes inside its region, replayed on policies.

A scenario is a real first observation and a seed. It is passed where the imagined return reaches the set's ``least``.
The same scenarios in the old world say what flipped: passed there and failed in the new one.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.canonical import canonical
from diorama.core.errors import DataError
from diorama.data import Dataset
from diorama.data.trajectories import SCENARIO
from diorama.evaluate import Evaluation, episode_return, evaluate
from diorama.imagine import as_env
from diorama.policies import load as load_policy
from diorama.recipes import describing
from diorama.recipes.any_model import load as load_model
from diorama.recipes.book import Book
from diorama.recipes.describing import family
from diorama.recipes.making import unpacked
from diorama.recipes.scoring import evaluation_manifest
from diorama.recipes.tasks import reward_for
from diorama.recipes.workshop import Workshop, one
from diorama.registry.actions import Action
from diorama.registry.difference import EPISODES
from diorama.registry.recording import Recorder
from diorama.registry.records import Advisory, Edge, Manifest, Replay, Version

STARTS = "starts.json"
_SEED = 400_000
_METRIC = "return"


def scenario_set(
    book: Book, dataset: Dataset, region: Mapping[str, Any], *, name: str, count: int, length: int, least: float
) -> str:
    """Register ``count`` scenarios from the first observations of episodes inside the region; its id.

    Raises `DataError` where the dataset does not record a factor of the region, or has no such episode.
    """
    chosen = _inside(dataset, region)[:count]
    if not len(chosen):
        raise DataError(f"No episode of {dataset.path} lies in the region {dict(region)}; collect some there.")
    spec = dataset.spec()
    rows = dataset.starts[chosen]
    vectors = [name for name, array in spec.observation.items() if len(array.shape) < 3]
    starts = {key: np.asarray(dataset.column(f"observation.{key}"))[rows].tolist() for key in vectors}
    fields = {
        "region": dict(region),
        "seeds": list(range(_SEED, _SEED + count)),
        "length": length,
        "metric": _METRIC,
        "least": float(least),
        "visibility": "open",
        "expires": "",
    }
    blobs = {STARTS: book.registry.add_blob(canonical(starts).encode())}
    edges = (Edge("drawn_from", describing.dataset_id(book, dataset)),)
    return book.registry.register(Manifest("scenario_set", family(spec.name, name), fields, blobs, edges)).id


def replay(book: Book, policy: Version, advisory: str, new: str, old: str, folder: Path) -> Replay:
    """Replay all scenario sets of an advisory on a policy, in world ``new`` and, for the flips, in world ``old``.

    Each test is registered as an evaluation; the replay itself is for the caller to append. Raises `DataError` where
    the advisory has no regression scenarios.
    """
    entry = advisory_entry(book, advisory)
    if not entry.regressions:
        raise DataError(f"Advisory {advisory} has no regression scenarios; file it again with --starts and --least.")
    passed = total = flips = 0
    for number in entry.regressions:
        scenarios = book.registry.get(number)
        after, before = (_verdict(book, policy, scenarios, world, folder) for world in (new, old))
        passed, total, flips = passed + int(after.sum()), total + len(after), flips + int((before & ~after).sum())
    return Replay(advisory, policy.id, passed, total, flips, new)


def replay_again(shop: Workshop, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
    """The test of a replay in the place of an earlier one: of what the action names now."""
    book, output = shop.book, "evaluation"
    policy, scenarios = (book.registry.get(one(action, role)) for role in ("policy", "scenarios"))
    world, folder = one(action, "world"), shop.folder(old, action.key())
    with Recorder(book.registry, action, book.stopwatch()) as stage:
        found = _tested(book, policy, scenarios, world, folder)
        manifest = evaluation_manifest(book, found.to_json(), old.name, policy.id, world, scenarios.id)
        stage.output(output, describing.replacing(manifest, supersedes.get(output)))
        stage.took(steps=len(action.seeds))
    return shop.made(action)


def advisory_entry(book: Book, advisory: str) -> Advisory:
    """The newest entry of an advisory. Raises `DataError` where there is none."""
    events = book.registry.events(type="advisory", subject=advisory)
    if not events:
        raise DataError(f"There is no advisory {advisory!r}; file one with `diorama advise`.")
    return events[-1].entry


def _verdict(book: Book, policy: Version, scenarios: Version, world: str, folder: Path) -> np.ndarray:
    """Which scenarios a policy passes in a learned world, [N] bool; the test is registered."""
    fields = scenarios.fields
    command = {"verb": "replay", "metric": fields["metric"], "length": fields["length"]}
    inputs = {"policy": [policy.id], "world": [world], "scenarios": [scenarios.id]}
    with book.recorder(book.action(command, inputs, fields["seeds"])) as stage:
        if stage.reused is not None:
            record = json.loads(book.registry.read_blob(_table(book, stage.reused["evaluation"])))
            return np.asarray(record[_METRIC]) >= fields["least"]
        found = _tested(book, policy, scenarios, world, folder)
        name = f"{policy.name}/replay"
        manifest = evaluation_manifest(book, found.to_json(), name, policy.id, world, scenarios.id)
        stage.output("evaluation", manifest)
        stage.took(steps=len(fields["seeds"]))
    return np.asarray(found.scores[_METRIC]) >= fields["least"]


def _tested(book: Book, policy: Version, scenarios: Version, world: str, folder: Path) -> Evaluation:
    fields = scenarios.fields
    starts = json.loads(book.registry.read_blob(scenarios.manifest.blobs[STARTS]))
    model = load_model(unpacked(book, world, folder / "parts" / world[:16]))
    given = {name: np.asarray(starts[name], np.float32) for name in model.spec.observation}
    env = as_env(model, given, reward=reward_for(model.spec))
    actor = load_policy(unpacked(book, policy.id, folder / "parts" / policy.id[:16]))
    seeds, metrics = np.asarray(fields["seeds"]), {_METRIC: episode_return}
    return evaluate(actor, env, seeds=seeds, length=fields["length"], metrics=metrics, name=policy.name)[0]


def _table(book: Book, evaluation: str) -> str:
    return book.registry.get(evaluation).manifest.blobs[EPISODES]


def _inside(dataset: Dataset, region: Mapping[str, Any]) -> np.ndarray:
    """The episodes whose factors lie in the region, int64 [M]."""
    inside = np.ones(dataset.num_episodes, bool)
    for name, (low, high) in region.get("factors", {}).items():
        values = _factor(dataset, name)
        inside &= (low <= values) & (values <= high)
    return np.flatnonzero(inside)


def _factor(dataset: Dataset, name: str) -> np.ndarray:
    """The value of one factor in each episode, [E]; ``agent_low.0`` is the first entry of a vector."""
    key, _, entry = name.partition(".")
    if SCENARIO + key not in dataset.features:
        raise DataError(f"{dataset.path} records no factor {key!r}; it records {_known(dataset)}.")
    column = np.asarray(dataset.column(SCENARIO + key), np.float64)[dataset.starts]
    return column.reshape(len(column), -1)[:, int(entry or 0)]


def _known(dataset: Dataset) -> Sequence[str]:
    return sorted(key.removeprefix(SCENARIO) for key in dataset.features if key.startswith(SCENARIO))
