"""What a player did in one world as an episode of a LeRobot v3 dataset, registered with where it came from."""

import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from diorama.core import Env, EnvSpec, HostEnv, Trajectory
from diorama.core.canonical import to_json
from diorama.data import Dataset, DatasetWriter, features_of, trajectory_features, write_trajectories
from diorama.recipes import describing
from diorama.recipes.book import Book
from diorama.registry.records import Edge, Manifest
from diorama.studio.play.engine import Passed
from diorama.studio.play.stable import Offer

PERSON = "person"
"""Who acted, in the data: ``operator``."""
_MOST_BYTES = 64 * 2**20


@dataclass
class Take:
    """A recording that goes on: steps of one world, from a start described in words."""

    offer: Offer
    spec: EnvSpec
    label: str
    most: int
    steps: list[Passed] = field(default_factory=list)
    bytes: int = 0

    def hear(self, passed: Passed) -> None:
        """One more step, unless the episode is over or full."""
        if not self.over:
            self.steps.append(passed)
            self.bytes += sum(np.asarray(value).nbytes for value in passed.after.observation.values())

    @property
    def over(self) -> bool:
        """Whether the episode ended, or holds as much as it may."""
        ended = bool(self.steps) and self.offer.ends and self.steps[-1].after.end
        return ended or len(self.steps) >= self.most or self.bytes >= _MOST_BYTES

    def trajectory(self) -> Trajectory:
        """The steps, one after the other."""
        scenes = [self.steps[0].before, *(passed.after for passed in self.steps)]
        observation = {
            name: np.stack([np.asarray(scene.observation[name], array.dtype) for scene in scenes])
            for name, array in self.spec.observation.items()
        }
        reward = np.array([passed.after.reward for passed in self.steps], np.float32)
        end = np.array([passed.after.end for passed in self.steps])
        action = np.stack([passed.action for passed in self.steps]).reshape(len(self.steps), -1)
        # An imagined world may say that it ended and be played on: only the last step of an episode can end it.
        end[:-1] = False
        return Trajectory(observation, action, reward, end, np.ones(len(end), bool), {})


@dataclass(frozen=True)
class Saved:
    """Where a recording went: the dataset's folder, the number of the episode, its steps, the dataset's version."""

    folder: Path
    episode: int
    steps: int
    version: str | None


def save(take: Take, folder: Path, book: Book | None, world: Env | HostEnv) -> Saved:
    """Append the recording to the dataset of its world below ``folder``, and register what the dataset is now.

    Raises `DataError` where the dataset cannot be written.
    """
    place = folder / describing.slug(take.offer.id)
    trajectory = take.trajectory()
    ids = {"operator": PERSON, "session": f"play-{uuid.uuid4().hex[:12]}", "scene": take.label[:200]}
    before = Dataset.open(place) if (place / "meta" / "info.json").is_file() else None
    old = None if book is None or before is None else describing.find_dataset(book, before.identity)
    with _writer(place, take.spec, trajectory, before is not None) as writer:
        write_trajectories(writer, trajectory, take.offer.title, ids=ids)
    dataset = Dataset.open(place)
    version = None if book is None else _registered(book, dataset, take.offer, world, old)
    return Saved(place, dataset.num_episodes - 1, len(take.steps), version)


def _writer(place: Path, spec: EnvSpec, trajectory: Trajectory, there: bool) -> DatasetWriter:
    if there:
        return DatasetWriter.extend(place)
    features = trajectory_features(trajectory) | features_of(spec)
    return DatasetWriter(
        place, fps=1.0 / spec.control_period, features=features, images="png", robot_type=spec.name, spec=spec
    )


def _registered(book: Book, dataset: Dataset, offer: Offer, world: Env | HostEnv, old: str | None) -> str:
    """The version of the dataset: data from a person, in this world, added to what was there before."""
    simulator = simulator_id(book, offer, world)
    who = describing.scripted_id(book, offer.arena, PERSON)
    edges = [Edge("data_from", simulator), Edge("data_from", who)]
    edges += [Edge("derived_from", old, {"relation": "merge"})] if old else []
    manifest = describing.dataset_manifest(book, dataset, describing.family(offer.arena, "play", offer.id), edges)
    origin = {"origin": offer.kind, "simulator": simulator}
    made = book.registry.register(replace(manifest, fields={**manifest.fields, **origin})).id
    book.places.note(made, dataset.path)
    return made


def simulator_id(book: Book, offer: Offer, world: Env | HostEnv) -> str:
    """The version of a world that was played in, registered now where it was not."""
    if offer.version is not None:
        return offer.version
    if offer.place is not None:
        name = describing.family(offer.arena, offer.place.parent.name)
        return describing.artifact_id(book, "simulator", offer.place, name)
    if offer.kind == "real":
        return describing.reality_id(book, offer.arena, world)
    fields = {"origin": "physics" if offer.kind == "physics" else "learned", "contract": to_json(world.spec)}
    name = describing.family(offer.arena, offer.id)
    return book.registry.register(Manifest("simulator", name, fields | {"family": offer.family.split("/")})).id
