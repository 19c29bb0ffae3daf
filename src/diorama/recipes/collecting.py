"""Collect real interaction into a dataset, batch by batch; what is finished survives any interruption."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from diorama.core import Env, EnvSpec, HostEnv, Trajectory
from diorama.core.env import Scenario
from diorama.core.errors import ConfigError, DataError
from diorama.core.spec import ScenarioSpace
from diorama.data import Dataset, DatasetWriter, features_of, trajectory_features, write_trajectories
from diorama.evaluate import run_episodes
from diorama.recipes.tasks import Actor, Task

BATCH = 16
"""Episodes that run side by side and are written together."""


def collect(
    task: Task,
    actor: str,
    seeds: Sequence[int],
    out: Path,
    *,
    policy: Actor | None = None,
    length: int | None = None,
    images: str = "none",
    vary: tuple[str, ...] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Run ``actor`` once for each seed and append the episodes to the dataset ``out``.

    ``actor`` names one of the task's actors, or with ``policy`` that one. Seeds that the dataset holds are skipped,
    where actor, length and varied factors are the same. ``vary`` names the factors of variation to draw anew in each
    episode. ``progress(done, total)`` is called after each batch. Raises `ConfigError` for an unknown actor,
    `DataError` where ``out`` holds another world or other columns.
    """
    env, policy = task.env(), policy or task.actor(actor)
    spec, length = _written(env.spec, images), length or task.length
    ids = {"operator": actor, "scene": f"{length} steps, varied: {', '.join(sorted(vary)) or 'nothing'}"}
    held = _held(out, ids, spec)
    waiting = [seed for seed in seeds if seed not in held]
    done = len(seeds) - len(waiting)
    with ExitStack() as stack:
        writer = None
        for batch in _batches(waiting):
            trajectory = _run(env, policy, batch, length, vary)
            trajectory = replace(trajectory, observation={n: trajectory.observation[n] for n in spec.observation})
            if writer is None:
                writer = stack.enter_context(_writer(spec, trajectory, out, images))
                # Another process may have collected here while this one played its first batch.
                held = _held(out, ids, spec)
            for k, seed in enumerate(batch):
                if seed in held:
                    continue
                episode = jax.tree.map(lambda array, k=k: array[k], trajectory)
                write_trajectories(writer, episode, task.name, ids=ids | {"session": f"seed-{seed}"})
            done += len(batch)
            if progress:
                progress(done, len(seeds))
    return Dataset.open(out)


def _run(env: Env | HostEnv, policy: Actor, seeds: list[int], length: int, vary: tuple[str, ...]) -> Trajectory:
    """One episode for each seed.

    A world in JAX always runs a whole batch: one program is compiled, and its last bits are the same however many
    episodes an interruption left to do.
    """
    spare = [] if isinstance(env, HostEnv) else seeds[-1:] * (BATCH - len(seeds))
    scenario = _scenarios(env.spec.scenario, seeds + spare, vary)
    trajectory = run_episodes(env, policy, np.asarray(seeds + spare), length, scenario)
    return jax.tree.map(lambda array: array[: len(seeds)], trajectory)


def _written(spec: EnvSpec, images: str) -> EnvSpec:
    """The spec of what is written: without pictures, unless they are asked for."""
    if images != "none":
        return spec
    kept = {name: array for name, array in spec.observation.items() if len(array.shape) < 3}
    if not kept:
        raise ConfigError(f"{spec.name!r} observes pictures alone; choose how to store them with --images.")
    return replace(spec, observation=kept)


def _held(out: Path, ids: Mapping[str, str], spec: EnvSpec) -> set[int]:
    """The seeds of the episodes that the dataset already holds, collected by the same actor under the same settings."""
    if not _exists(out):
        return set()
    dataset = Dataset.open(out)
    _check_same(dataset, spec, out)
    alike = [i.ids for i in dataset.identities if all(i.ids.get(name) == value for name, value in ids.items())]
    sessions = [named["session"] for named in alike if named.get("session", "").startswith("seed-")]
    return {int(session.removeprefix("seed-")) for session in sessions}


def _check_same(dataset: Dataset, spec: EnvSpec, out: Path) -> None:
    if dataset.info.robot_type != spec.name:
        raise DataError(
            f"{out} holds episodes of {dataset.info.robot_type!r}, not of {spec.name!r}; choose another --out."
        )
    prefix = "observation."
    stored = sorted(key.removeprefix(prefix) for key in dataset.features if key.startswith(prefix))
    if stored != sorted(spec.observation):
        raise DataError(
            f"{out} holds the observations {stored}, this collection makes {sorted(spec.observation)}; "
            "choose another --out."
        )


def _exists(out: Path) -> bool:
    return (Path(out) / "meta" / "info.json").exists()


def _batches(seeds: list[int]) -> Iterator[list[int]]:
    for first in range(0, len(seeds), BATCH):
        yield seeds[first : first + BATCH]


def _scenarios(space: ScenarioSpace, seeds: Sequence[int], vary: tuple[str, ...]) -> Scenario:
    """A scenario for each seed, ``[N, *factor shape]``."""
    drawn = [space.sample(seed, vary) for seed in seeds]
    return {name: np.stack([scenario[name] for scenario in drawn]) for name in space.factors}


def _writer(spec: EnvSpec, trajectory: Trajectory, out: Path, images: str) -> DatasetWriter:
    if _exists(out):
        return DatasetWriter.extend(out)
    return DatasetWriter(
        out,
        fps=1.0 / spec.control_period,
        features=trajectory_features(trajectory) | features_of(spec),
        images="png" if images == "none" else images,
        robot_type=spec.name,
        spec=spec,
    )
