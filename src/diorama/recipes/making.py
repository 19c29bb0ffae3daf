"""Making one thing and registering it: collect, fit, train, evaluate. The verbs and the rebuild both make things here.

``book`` is None where nothing is to be registered; everything else is then the same.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import jax

from diorama.core import Env, HostEnv
from diorama.core.artifact import DESCRIPTION, WEIGHTS
from diorama.core.canonical import to_json
from diorama.core.errors import DataError
from diorama.data import Dataset
from diorama.data.identity import merkle_root
from diorama.evaluate import Evaluation
from diorama.imagine import Imagined
from diorama.policies import Actor
from diorama.recipes import describing, scoring
from diorama.recipes.any_model import kind_of
from diorama.recipes.any_model import load as load_model
from diorama.recipes.book import Book, open_book
from diorama.recipes.config import PolicyConfig, WorldConfig
from diorama.recipes.describing import family
from diorama.recipes.earlier import first_episodes
from diorama.recipes.loop import WORLD, Watch, fit_world, imagined_from, train_policy
from diorama.recipes.registering import Journal, Sources
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.tasks import reward_for
from diorama.recipes.where import Where
from diorama.registry.records import Edge

_UNKNOWN = "unknown"
_OUTPUTS = ("evaluation", "against")


class Begin(NamedTuple):
    """What a piece of work goes on from: its version, and how the new version is derived from it."""

    version: str
    relation: str


class Tested(NamedTuple):
    """A policy that was tested: its version, whether it was trained in a learned world, and its scores."""

    version: str
    learned: bool
    scores: Evaluation


def open_jax_book(where: Where) -> Book | None:
    """The book of a request, with what JAX computes on."""
    devices = jax.devices()
    accelerators = [device for device in devices if device.platform != "cpu"]
    kinds = sorted({device.device_kind for device in devices})
    return open_book(where, device=f"{len(devices)} {', '.join(kinds)}", devices=len(accelerators))


def journalled(book: Book | None, run: RunFolder, sources: Callable[[Book], Sources]) -> AbstractContextManager[Any]:
    """Registers the stages of the run within the block, where there is a book."""
    return contextlib.nullcontext() if book is None else Journal(book, run, sources(book))


def fit_in(
    run: RunFolder,
    book: Book | None,
    dataset: Dataset,
    config: WorldConfig,
    watch: Watch,
    *,
    name: str | None = None,
    begin: Begin | None = None,
    source: Path | None = None,
    later: Sequence[int] = (),
    supersedes: Mapping[str, str] = {},
) -> None:
    """Fit a world in a run folder. ``source``: the artifact of ``begin``. See `fit_world`."""
    settings = {"verb": "fit", "model": kind_of(config.model), "world": to_json(config), "later": list(later)}

    def sources(book: Book) -> Sources:
        world = dataset.info.robot_type or _UNKNOWN
        return Sources(
            base=world,
            settings=settings | {"relation": begin.relation if begin else ""},
            name=name or family(world, run.path.name),
            dataset=describing.dataset_id(book, dataset),
            begin=begin and begin.version,
            relation=begin.relation if begin else "finetune",
            supersedes=supersedes,
            data=dataset.path,
            seeds=(config.seed, config.fit.seed),
        )

    with journalled(book, run, sources):
        fit_world(run, dataset, config, watch, begin=source and load_model(source), later=later)


def train_in(
    run: RunFolder,
    book: Book | None,
    place: Path,
    dataset: Dataset,
    config: PolicyConfig,
    watch: Watch,
    *,
    name: str | None = None,
    world: str | None = None,
    begin: Begin | None = None,
    actor: Actor | None = None,
    supersedes: Mapping[str, str] = {},
) -> bool:
    """Train a policy in the world of the artifact ``place``; whether the reward was analytic.

    ``world``: its version, where that is known. ``actor``: that of ``begin``.
    """
    model = load_model(place)
    reward = reward_for(model.spec)
    imagined, observation = imagined_from(model, dataset, reward)
    kind = "analytic" if reward else "learned"
    settings = {"verb": "train", "policy": to_json(config), "reward": kind}

    def sources(book: Book) -> Sources:
        base = model.spec.name
        return Sources(
            base=base,
            settings=settings | {"relation": begin.relation if begin else ""},
            name=name or family(base, run.path.name),
            dataset=describing.dataset_id(book, dataset),
            worlds={WORLD: world or describing.artifact_id(book, "simulator", place, family(base, place.parent.name))},
            begin=begin and begin.version,
            relation=begin.relation if begin else "finetune",
            supersedes=supersedes,
            data=dataset.path,
            seeds=(config.seed, config.train.seed),
        )

    with journalled(book, run, sources):
        train_policy(run, imagined, observation, config, watch, begin=actor, dataset=dataset)
    return reward is not None


def collected(
    book: Book | None,
    out: Path,
    work: Callable[[], Dataset],
    *,
    task: str,
    env: Env | HostEnv,
    actor: str,
    version: str | None,
    name: str | None,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
) -> Dataset:
    """Do the collecting, and register the dataset that it leaves, with the one that was there before.

    ``actor``: what the episodes call who acted; ``version``: its id, None without a registry.
    """
    if book is None:
        return work()
    there = (out / "meta" / "info.json").is_file()
    before = [describing.dataset_id(book, Dataset.open(out), name)] if there else []
    world, who = describing.reality_id(book, task, env), str(version)
    action = book.action(
        {"verb": "collect", **settings}, {"world": [world], "policy": [who], "dataset": before}, list(seeds)
    )
    with book.recorder(action) as stage:
        dataset = work()
        if describing.find_dataset(book, dataset.identity) is None:
            edges = [Edge("data_from", world), *describing.acted([(actor, who)])]
            edges += [Edge("derived_from", old, {"relation": "merge"}) for old in before]
            family_name = name or family(env.spec.name, out.name)
            stage.output("data", describing.dataset_manifest(book, dataset, family_name, edges))
            stage.took(steps=dataset.num_episodes)
    describing.dataset_id(book, dataset)
    return dataset


def scored(
    book: Book | None,
    work: Callable[[], list[Evaluation]],
    *,
    policies: Sequence[tuple[str, bool]],
    world: str,
    outside: bool,
    metric: str,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    inputs: Mapping[str, Sequence[str]] = {},
    random: bool = False,
    supersedes: Mapping[str, str] = {},
) -> list[Evaluation]:
    """Do the testing, and register an evaluation of each policy and the claim on the first.

    ``policies``: version of each, and whether it was trained in a learned world; ``outside``: whether ``world`` is not
    one of those; ``random``: whether the second policy acts at random. ``supersedes``: what each output replaces.
    """
    if book is None:
        return work()
    given = {"policy": [policies[0][0]], "against": [one for one, _ in policies[1:]], "world": [world], **inputs}
    given["instead_of"] = sorted(supersedes.values())
    with book.recorder(book.action({"verb": "evaluate", **settings}, given, list(seeds))) as stage:
        found = work()
        records, made = [scores.to_json() for scores in found], []
        names = [book.registry.get(policy).name for policy, _ in policies]
        for output, name, record, (policy, _) in zip(_OUTPUTS, names, records, policies, strict=False):
            manifest = scoring.evaluation_manifest(book, record, f"{name}/evaluation", policy, world)
            made.append(stage.output(output, describing.replacing(manifest, supersedes.get(output))))
        difference = to_json(found[0].versus(found[1], metric)) if len(found) > 1 else None
        level = scoring.score_level(policies[0][1], outside, difference if random else None)
        claim = scoring.score_claim(records[0], metric, f"{names[0]}/claim", made, level)
        stage.output("claim", describing.replacing(claim, supersedes.get("claim")))
        stage.took(steps=len(seeds) * len(found))
    return found


def unpacked(book: Book, version: str, to: Path) -> Path:
    """The artifact of a version as a folder, from its blobs; what lies there already is checked.

    Raises `DataError` where it has none, and where it must be signed before it is run and is not.
    """
    found = book.runnable(version)
    if not {DESCRIPTION, WEIGHTS} <= set(found.manifest.blobs):
        raise DataError(f"{found.name} ({version[:12]}) holds no artifact of Diorama; it cannot be run here.")
    to.mkdir(parents=True, exist_ok=True)
    for name in (DESCRIPTION, WEIGHTS):
        if not _holds(to / name, found.manifest.blobs[name]):
            book.registry.copy_blob(found.manifest.blobs[name], to / name)
    return to


def _holds(file: Path, digest: str) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == digest


def dataset_of(book: Book, version: str, to: Path) -> Dataset:
    """The dataset of a version, where its files still lie; where it has grown since, its first episodes, copied ``to``.

    Raises `DataError` where no known folder holds those episodes.
    """
    found = book.registry.get(version)
    root, count = found.fields["merkle_root"], found.fields["episodes"]
    for place in [to, *book.places.find(version)]:
        if not (place / "meta" / "info.json").is_file():
            continue
        dataset = Dataset.open(place)
        if dataset.identity == root:
            return dataset
        if merkle_root([identity.exact for identity in dataset.identities[:count]]) == root:
            return first_episodes(dataset, count, to)
    raise DataError(
        f"No known folder holds the {count} episodes of {found.name} ({version[:12]}) any more; bring them back to "
        "where they were, or run a command on them once from where they are now."
    )


def imagined_world(place: Path, dataset: Dataset) -> Imagined:
    """The world of an artifact as a policy is tested in it: from the dataset's real observations."""
    model = load_model(place)
    return imagined_from(model, dataset, reward_for(model.spec))[0]
