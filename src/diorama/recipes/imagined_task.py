"""A learned world as a task: a policy is tested in imagination as in reality."""

from pathlib import Path

from diorama.data import Dataset
from diorama.evaluate import episode_return
from diorama.recipes.making import imagined_world
from diorama.recipes.tasks import Task

LENGTH = 200
"""Steps of an episode where nobody says otherwise."""
RETURN = "return"


def learned_task(place: Path, dataset: Dataset) -> Task:
    """The world of the artifact ``place``: it begins at the dataset's observations and is scored by imagined reward."""
    env = imagined_world(place, dataset)
    return Task(env.spec.name, lambda: env, LENGTH, {RETURN: episode_return}, RETURN)
