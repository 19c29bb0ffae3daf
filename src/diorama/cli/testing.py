"""Testing policies in reality or in a learned world, and registering what came of it."""

from collections.abc import Callable, Sequence

from diorama.core import Env, HostEnv
from diorama.data import Dataset
from diorama.evaluate import Evaluation
from diorama.recipes import describing, requests
from diorama.recipes.book import Book
from diorama.recipes.candidates import Candidate
from diorama.recipes.loop import WORLD, find_artifact
from diorama.recipes.making import scored
from diorama.recipes.tasks import Task

_RANDOM = "random"


def tested(
    book: Book | None,
    request: requests.Evaluate,
    task: Task,
    env: Env | HostEnv,
    policies: Sequence[Candidate],
    work: Callable[[], list[Evaluation]],
) -> list[Evaluation]:
    """Do the testing; with a book, register the evaluations and the claim on the first policy."""
    if book is None:
        return work()
    settings = {
        "env": None if request.world else request.env,
        "length": task.steps(request.length),
        "metric": task.headline,
        "random": request.against == _RANDOM,
    }
    return scored(
        book,
        work,
        policies=[(str(one.version), bool(one.trained_in)) for one in policies],
        **_world(book, request, task, env),
        metric=task.headline,
        settings=settings,
        seeds=range(request.seed, request.seed + request.episodes),
        random=request.against == _RANDOM,
    )


def _world(book: Book, request: requests.Evaluate, task: Task, env: Env | HostEnv) -> dict:
    """The version of the world of the test, whether it is outside what was learned, and where its episodes began."""
    if request.world is None:
        return {"world": describing.reality_id(book, task.name, env), "outside": True}
    place = find_artifact(request.world, WORLD)
    world = describing.artifact_id(book, "simulator", place, describing.family(env.spec.name, place.parent.name))
    dataset = describing.dataset_id(book, Dataset.open(request.dataset))
    return {"world": world, "outside": False, "inputs": {"dataset": [dataset]}}
