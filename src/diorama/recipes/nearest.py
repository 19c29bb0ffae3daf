"""The training episode that began most like a start: what an open-loop replay plays."""

from collections.abc import Iterator

import numpy as np
from scipy.spatial import cKDTree

from diorama.core.errors import ConfigError
from diorama.data import Dataset
from diorama.envs.adapters.host import complete_scenario
from diorama.evaluate.scenarios import ScenarioSet
from diorama.imagine.host_world import first_observations
from diorama.recipes import describing
from diorama.recipes.book import Book
from diorama.recipes.lessons import Lesson, lessons
from diorama.recipes.worlds import World
from diorama.registry.records import Version

_PERIOD = 0.01
"""Relative difference of control periods up to which actions can be replayed."""


def nearest_actions(
    book: Book, evaluation: Version, world: World, starts: ScenarioSet, played: np.ndarray
) -> np.ndarray:
    """For each start the actions of the training episode that began nearest to it, shaped like ``played`` [N, T, A].

    An episode that is over repeats its last action. Distances are Euclidean in standard deviations of the training
    starts, over the vectors that both sides show. Raises `ConfigError` where the policy was trained on no data, or its
    episodes are not on this machine or of another kind.
    """
    policy = next(edge.target for edge in evaluation.edges if edge.role == "evaluates")
    episodes = [one for lesson in lessons(book, policy) for one in _episodes(lesson, world)]
    names = sorted(set.intersection(*(set(seen) for seen, _ in episodes)) & set(world.env.spec.observation))
    if not names:
        raise ConfigError("The training episodes show no vector that this world shows, so that none is nearest.")
    env = world.env
    known = env.spec.scenario
    told = {name: np.asarray(rows, np.float32) for name, rows in starts.rows.items() if name in known.factors}
    count = len(starts.seeds)
    shown = first_observations(env, np.asarray(starts.seeds, np.int64), complete_scenario(known, told, count))
    theirs = np.stack([np.concatenate([seen[name] for name in names]) for seen, _ in episodes])
    ours = np.concatenate([np.asarray(shown[name], np.float64).reshape(count, -1) for name in names], axis=1)
    spread = theirs.std(axis=0)
    scale = np.where(spread > 1e-9, spread, 1.0)
    _, nearest = cKDTree(theirs / scale).query(ours / scale)
    low, high = env.spec.action.bounds()
    steps = np.arange(played.shape[1])
    taken = [episodes[k][1][np.minimum(steps, len(episodes[k][1]) - 1)] for k in nearest]
    return np.clip(np.stack(taken), low, high).astype(played.dtype)


def _episodes(lesson: Lesson, world: World) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    """First observations by name and actions [T, A] of each episode."""
    dataset, spec = Dataset.open(lesson.folder), world.env.spec
    if tuple(dataset.info.features["action"].shape) != spec.action.shape:
        raise ConfigError(f"{dataset.path.name} records actions of another shape than {world.name} takes.")
    if abs(dataset.fps * spec.control_period - 1) > _PERIOD:
        raise ConfigError(f"{dataset.path.name} was recorded at {dataset.fps:g} Hz, and {world.name} acts at another.")
    shown = {name: np.asarray(rows, np.float64) for name, rows in describing.first_observations(dataset).items()}
    actions, ends = np.asarray(dataset.column("action")), [*dataset.starts[1:], dataset.num_frames]
    for k in range(min(lesson.episodes or dataset.num_episodes, dataset.num_episodes)):
        if ends[k] > dataset.starts[k]:
            yield {name: rows[k] for name, rows in shown.items()}, actions[dataset.starts[k] : ends[k]]
