"""A learned world as a task: a policy is tested in imagination as in reality."""

from pathlib import Path

from diorama.data import Dataset
from diorama.evaluate import episode_return
from diorama.recipes.making import imagined_world
from diorama.recipes.tasks import Task

LENGTH = 200
"""Most steps of an episode where nobody says otherwise."""
RETURN = "return"


def learned_task(place: Path, dataset: Dataset) -> Task:
    """The world of the artifact ``place``: it begins at the dataset's observations and is scored by imagined reward.

    Its episodes are as long as the dataset's longest, at most `LENGTH` steps: beyond that nothing says how it errs.
    """
    env = imagined_world(place, dataset)
    longest = int(max(dataset.lengths)) - 1  # An episode's last row is where it ended.
    return Task(env.spec.name, lambda: env, min(LENGTH, longest), {RETURN: episode_return}, RETURN)
