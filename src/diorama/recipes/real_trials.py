"""Real trials by machine: the plan's starts played in a world that stands for reality."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from diorama.core.errors import ConfigError
from diorama.evaluate import run_episodes
from diorama.recipes import describing
from diorama.recipes.book import Book
from diorama.recipes.budgeting import Planned, enter, trials_of
from diorama.recipes.latent_policies import load
from diorama.recipes.making import unpacked
from diorama.recipes.tasks import Actor, Task, find_task

Progress = Callable[[str, int, int], None]


def play(book: Book, planned: Planned, world: str, progress: Progress) -> dict[str, str]:
    """Play the open trials of every policy; the evaluations by policy. What was played before is not played again.

    Raises `ConfigError` where the task does not say what success is.
    """
    task = find_task(world)
    if not task.success:
        raise ConfigError(f"{task.name!r} does not say what success is; name a metric of booleans as its success.")
    env, reality = task.env(), describing.reality_id(book, task.name, task.env())
    done = {policy: version.id for policy, version in trials_of(book, planned).items()}
    seeds = np.array(sorted(trial.seed for trial in planned.plan.trials), np.int64)
    for number, policy in enumerate(planned.policies):
        progress("trials", number, len(planned.policies))
        if policy in done:
            continue
        trajectory = run_episodes(env, _actor(book, task, policy), seeds, task.length)
        success = np.asarray(task.metrics[task.success](trajectory))
        outcomes = {int(seed): bool(one) for seed, one in zip(seeds, success, strict=True)}
        done[policy] = enter(book, planned, policy, reality, outcomes)
    progress("trials", len(planned.policies), len(planned.policies))
    return done


def _actor(book: Book, task: Task, policy: str) -> Actor:
    """The policy of a version: a scripted one by its actor's name, else its artifact."""
    found = book.registry.get(policy)
    if found.fields.get("kind") == "scripted":
        return task.actor(str(found.fields["actor"]))
    with tempfile.TemporaryDirectory() as folder:
        return load(unpacked(book, policy, Path(folder)))
