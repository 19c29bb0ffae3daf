"""Collect real interaction into a dataset, batch by batch; what is finished survives any interruption."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import jax
import numpy as np

from diorama.core import Env, HostEnv, Trajectory
from diorama.core.env import Scenario
from diorama.core.spec import ScenarioSpace
from diorama.data import Dataset, DatasetWriter, features_of, trajectory_features, write_trajectories
from diorama.evaluate import run_episodes
from diorama.recipes.tasks import Task

BATCH = 16
"""Episodes that run side by side and are written together."""


def collect(
    task: Task,
    actor: str,
    seeds: Sequence[int],
    out: Path,
    *,
    length: int | None = None,
    images: str = "none",
    vary: tuple[str, ...] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Run ``actor`` once for each seed and append the episodes to the dataset ``out``; seeds that it holds are skipped.

    ``vary`` names the factors of variation to draw anew in each episode. ``progress(done, total)`` is called after each
    batch. Raises `ConfigError` for an unknown actor, `DataError` where ``out`` is something else.
    """
    env, policy, held = task.env(), task.actor(actor), _held(out, actor)
    waiting = [seed for seed in seeds if seed not in held]
    done = len(seeds) - len(waiting)
    with ExitStack() as stack:
        writer = None
        for batch in _batches(waiting):
            scenario = _scenarios(env.spec.scenario, batch, vary)
            trajectory = run_episodes(env, policy, np.asarray(batch), length or task.length, scenario)
            writer = writer or stack.enter_context(_writer(env, trajectory, out, images))
            for k, seed in enumerate(batch):
                episode = jax.tree.map(lambda array, k=k: array[k], trajectory)
                write_trajectories(writer, episode, task.name, ids={"session": f"seed-{seed}", "operator": actor})
            done += len(batch)
            if progress:
                progress(done, len(seeds))
    return Dataset.open(out)


def _held(out: Path, actor: str) -> set[int]:
    """The seeds whose episodes by this actor the dataset already holds."""
    if not _exists(out):
        return set()
    ids = [identity.ids for identity in Dataset.open(out).identities]
    sessions = [i["session"] for i in ids if i.get("operator") == actor and i.get("session", "").startswith("seed-")]
    return {int(session.removeprefix("seed-")) for session in sessions}


def _exists(out: Path) -> bool:
    return (Path(out) / "meta" / "info.json").exists()


def _batches(seeds: list[int]) -> Iterator[list[int]]:
    for first in range(0, len(seeds), BATCH):
        yield seeds[first : first + BATCH]


def _scenarios(space: ScenarioSpace, seeds: Sequence[int], vary: tuple[str, ...]) -> Scenario:
    """A scenario for each seed, ``[N, *factor shape]``."""
    drawn = [space.sample(seed, vary) for seed in seeds]
    return {name: np.stack([scenario[name] for scenario in drawn]) for name in space.factors}


def _writer(env: Env | HostEnv, trajectory: Trajectory, out: Path, images: str) -> DatasetWriter:
    if _exists(out):
        return DatasetWriter.extend(out)
    return DatasetWriter(
        out,
        fps=1.0 / env.spec.control_period,
        features=trajectory_features(trajectory) | features_of(env.spec),
        images="png" if images == "none" else images,
        robot_type=env.spec.name,
        spec=env.spec,
    )
