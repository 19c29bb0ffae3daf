"""Real trials by machine: the plan's starts played in a world that stands for reality."""

from collections.abc import Callable, Sequence

import numpy as np

from diorama.core.errors import ConfigError
from diorama.evaluate import run_episodes
from diorama.recipes import describing
from diorama.recipes.book import Book
from diorama.recipes.budgeting import Planned, enter, trials_of
from diorama.recipes.candidates import Candidate, find_candidate
from diorama.recipes.tasks import Task, find_task

Progress = Callable[[str, int, int], None]


def play(book: Book, planned: Planned, world: str, progress: Progress, words: Sequence[str] = ()) -> dict[str, str]:
    """Play the open trials of every policy; the evaluations by policy. What was played before is not played again.

    ``words``: where the policies are whose files the registry does not keep, see `find_candidate`. Raises
    `ConfigError` where the task does not say what success is, and for a word that means no policy of the plan.
    """
    task = find_task(world)
    if not task.success:
        raise ConfigError(
            f"{task.name!r} does not say what success is; write a Task that does, and name it as file.py:NAME."
        )
    env, reality = task.env(), describing.reality_id(book, task.name, task.env())
    done = {policy: version.id for policy, version in trials_of(book, planned).items()}
    # All are looked up before the first is played: a file that is not there costs no trial.
    open_ = [policy for policy in planned.policies if policy not in done]
    actors = {policy: one.make(env.spec) for policy, one in _candidates(book, task, planned, words, open_).items()}
    seeds = np.array(sorted(trial.seed for trial in planned.plan.trials), np.int64)
    for number, (policy, actor) in enumerate(actors.items()):
        progress("trials", number, len(actors))
        trajectory = run_episodes(env, actor, seeds, task.length)
        success = np.asarray(task.metrics[task.success](trajectory))
        outcomes = {int(seed): bool(one) for seed, one in zip(seeds, success, strict=True)}
        done[policy] = enter(book, planned, policy, reality, outcomes)
    progress("trials", len(actors), len(actors))
    return done


def _candidates(
    book: Book, task: Task, planned: Planned, words: Sequence[str], wanted: Sequence[str]
) -> dict[str, Candidate]:
    """The wanted policies by version: by the word that was given for it, or from the registry."""
    named: dict[str, Candidate] = {}
    for word in words:
        one = find_candidate(task, word, book=book)
        if one.version not in planned.policies:
            raise ConfigError(
                f"{word} is none of the planned policies, or has changed; name the file that was planned."
            )
        named[one.version] = one
    return {policy: named.get(policy) or find_candidate(task, policy, book=book) for policy in wanted}
