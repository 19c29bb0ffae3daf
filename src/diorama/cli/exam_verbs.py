"""The verbs that look for what can go wrong: exploitation of a world, and how a policy fails."""

from diorama.cli.answering import say, say_json
from diorama.cli.verbs import registering
from diorama.core.errors import ConfigError
from diorama.core.files import write_atomically
from diorama.data import Dataset
from diorama.recipes import describing, exploiting, failing
from diorama.recipes.book import Book
from diorama.recipes.candidates import find_candidate
from diorama.recipes.exam_requests import Exploit, Failures
from diorama.recipes.tasks import Actor, Task, find_task
from diorama.recipes.worlds import find_world


def exploit(request: Exploit) -> int:
    """Examine a policy for exploitation; 1 where it is shown."""
    task, dataset = find_task(request.env), Dataset.open(request.dataset)
    with registering(request.at) as book:
        world = find_world(task, request.world, book=book)
        others = [find_world(task, name, book=book) for name in request.others or (task.name,)]
        others = [other for other in others if other.name != world.name]
        spec, policy = task.env().spec, find_candidate(task, request.policy, book=book)
        checkpoints = {name: find_candidate(task, name, book=book).make(spec) for name in request.checkpoints}
        made = exploiting.examine(request, task, policy.make(spec), world, others, checkpoints, dataset)
        if book is not None:
            exploiting.registered(book, request, made, policy.version, world, describing.dataset_id(book, dataset))
    if request.out:
        exploiting.written(request.out, made)
    if request.json:
        say_json(made.found.to_json())
    else:
        say(exploiting.page(request, world, made.found))
    return 1 if made.found.flagged else 0


def failures(request: Failures) -> int:
    """Explain how a policy fails in reality, and what hides it."""
    task = find_task(request.env)
    with registering(request.at) as book:
        episodes, evaluation = failing.table_of(book, request.evaluation)
        real = failing.real_part(episodes, task, request.policy)
        policy = _tested_policy(book, task, request.policy, evaluation, str(real.policy[0]))
        reality = find_world(task, task.name, book=book)
        worlds = [find_world(task, name, book=book) for name in request.worlds]
        found = failing.explain(request, task, policy, real, worlds)
        if book is not None:
            failing.registered(book, request, found, evaluation, worlds, reality.version)
    if request.out:
        request.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(request.out, found.text + "\n")
    say(failing.as_json(found) if request.json else found.text)
    return 0


def _tested_policy(book: Book | None, task: Task, named: str | None, evaluation: str | None, called: str) -> Actor:
    """The policy that was asked for, else the one that the evaluation or its table names."""
    targets: list[str] = []
    if named is None and book is not None and evaluation is not None:
        targets = [edge.target for edge in book.registry.get(evaluation).edges if edge.role == "evaluates"]
    word = named or (targets[0] if len(targets) == 1 else called)
    try:
        return find_candidate(task, word, book=book).make(task.env().spec)
    except ConfigError as error:
        if named is not None:
            raise
        raise ConfigError(f"The table calls its policy {called!r}; say which it is with --policy. {error}") from error
