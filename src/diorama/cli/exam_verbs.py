"""The verbs that look for what can go wrong: exploitation of a world, and how a policy fails."""

import tempfile
from pathlib import Path

from diorama.cli.answering import say, say_json
from diorama.cli.testing import actor_of
from diorama.cli.verbs import registering
from diorama.core.artifact import DESCRIPTION
from diorama.core.errors import ConfigError
from diorama.core.files import write_atomically
from diorama.data import Dataset
from diorama.recipes import describing, exploiting, failing
from diorama.recipes.book import Book
from diorama.recipes.exam_requests import Exploit, Failures
from diorama.recipes.latent_policies import load as load_policy
from diorama.recipes.loop import POLICY, find_artifact
from diorama.recipes.making import unpacked
from diorama.recipes.matching import check_match, spec_of
from diorama.recipes.tasks import Actor, Task, find_task
from diorama.recipes.worlds import find_world
from diorama.registry.records import Version


def exploit(request: Exploit) -> int:
    """Examine a policy for exploitation; 1 where it is shown."""
    task, dataset = find_task(request.env), Dataset.open(request.dataset)
    with registering(request.at) as book:
        world = find_world(task, request.world, book=book)
        others = [find_world(task, name, book=book) for name in request.others or (task.name,)]
        others = [other for other in others if other.name != world.name]
        checkpoints = {name: actor_of(task, name) for name in request.checkpoints}
        made = exploiting.examine(request, task, actor_of(task, request.policy), world, others, checkpoints, dataset)
        if book is not None:
            ids = _policy_id(book, task, request.policy), describing.dataset_id(book, dataset)
            exploiting.registered(book, request, made, ids[0], world, ids[1])
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


def _policy_id(book: Book, task: Task, name: str) -> str:
    if not Path(name).exists():
        return describing.scripted_id(book, task.name, name)
    place = find_artifact(Path(name), POLICY)
    return describing.artifact_id(book, "policy", place, describing.family(spec_of(place).name, place.parent.name))


def _tested_policy(book: Book | None, task: Task, named: str | None, evaluation: str | None, called: str) -> Actor:
    """The policy that was asked for, else the one that the evaluation or its table names."""
    if named is not None:
        return actor_of(task, named)
    if book is not None and evaluation is not None:
        targets = [edge.target for edge in book.registry.get(evaluation).edges if edge.role == "evaluates"]
        if len(targets) == 1:
            return _registered_policy(book, task, book.registry.get(targets[0]))
    try:
        return actor_of(task, called)
    except ConfigError as error:
        raise ConfigError(f"The table calls its policy {called!r}; say which it is with --policy. {error}") from error


def _registered_policy(book: Book, task: Task, version: Version) -> Actor:
    if DESCRIPTION not in version.manifest.blobs:
        return actor_of(task, str(version.fields.get("actor", version.name)))
    place = unpacked(book, version.id, Path(tempfile.gettempdir()) / "diorama-policies" / version.id)
    check_match("The policy", spec_of(place), task.env().spec)
    return load_policy(place)
