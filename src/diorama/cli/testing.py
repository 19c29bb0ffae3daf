"""Testing policies in reality or in a learned world, and registering what came of it."""

from collections.abc import Callable
from pathlib import Path

from diorama.core import Env, HostEnv
from diorama.data import Dataset
from diorama.evaluate import Evaluation
from diorama.recipes import describing, requests
from diorama.recipes.book import Book
from diorama.recipes.latent_policies import load as load_policy
from diorama.recipes.loop import POLICY, WORLD, find_artifact
from diorama.recipes.making import scored
from diorama.recipes.matching import check_match, spec_of
from diorama.recipes.tasks import Actor, Task

_RANDOM = "random"


def actor_of(task: Task, name: str) -> Actor:
    """A policy by the name of a built-in actor or by its folder. Raises `SpecError` where it is for another world."""
    if name in {_RANDOM, *task.actors}:
        return task.actor(name)
    if not Path(name).exists() and Path(name).name == name:
        return task.actor(name)  # Refuses, and names the actors there are.
    place = find_artifact(Path(name), POLICY)
    check_match("The policy", spec_of(place), task.env().spec)
    return load_policy(place)


def tested(
    book: Book | None,
    request: requests.Evaluate,
    task: Task,
    env: Env | HostEnv,
    names: list[str],
    work: Callable[[], list[Evaluation]],
) -> list[Evaluation]:
    """Do the testing; with a book, register the evaluations and the claim on the first policy."""
    if book is None:
        return work()
    policies = [_policy(book, task, name) for name in names]
    settings = {
        "env": None if request.world else request.env,
        "length": task.steps(request.length),
        "metric": task.headline,
        "random": request.against == _RANDOM,
    }
    return scored(
        book,
        work,
        policies=policies,
        **_world(book, request, task, env),
        metric=task.headline,
        settings=settings,
        seeds=range(request.seed, request.seed + request.episodes),
        random=request.against == _RANDOM,
    )


def _policy(book: Book, task: Task, name: str) -> tuple[str, bool]:
    """The version of a policy, and whether a learned world made it."""
    if not Path(name).exists():
        return describing.scripted_id(book, task.name, name), False
    place = find_artifact(Path(name), POLICY)
    version = describing.artifact_id(book, "policy", place, describing.family(spec_of(place).name, place.parent.name))
    return version, bool(book.registry.edges(source=version, role="trained_in"))


def _world(book: Book, request: requests.Evaluate, task: Task, env: Env | HostEnv) -> dict:
    """The version of the world of the test, whether it is outside what was learned, and where its episodes began."""
    if request.world is None:
        return {"world": describing.reality_id(book, task.name, env), "outside": True}
    place = find_artifact(request.world, WORLD)
    world = describing.artifact_id(book, "simulator", place, describing.family(env.spec.name, place.parent.name))
    dataset = describing.dataset_id(book, Dataset.open(request.dataset))
    return {"world": world, "outside": False, "inputs": {"dataset": [dataset]}}
