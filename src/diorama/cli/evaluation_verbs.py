"""What the verbs of evaluation in many worlds do: draw scenarios, fix a protocol, test policies in several worlds."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from diorama.cli.answering import opened
from diorama.cli.display import Display
from diorama.cli.planned import find_protocol, find_scenarios
from diorama.cli.verbs import registering
from diorama.core.canonical import canonical
from diorama.core.errors import ConfigError
from diorama.core.files import write_atomically
from diorama.evaluate.executors import find_place
from diorama.evaluate.gate import Release
from diorama.evaluate.preregistered import Protocol
from diorama.evaluate.records import EPISODES, to_parquet
from diorama.evaluate.running import Store
from diorama.evaluate.scenarios import ScenarioSet, draw
from diorama.evaluate.statistics.estimate import Estimate
from diorama.recipes import evaluation_requests, requests
from diorama.recipes.book import Book
from diorama.recipes.candidates import find_candidate
from diorama.recipes.evaluation_requests import numbers, ranges
from diorama.recipes.protocols import Trial, carry_out, protocol_id, register, scenarios_id, told_of
from diorama.recipes.tasks import Task, find_task
from diorama.recipes.where import OFF
from diorama.recipes.worlds import cache, find_world
from diorama.studio.scores import interval_text

Kind = TypeVar("Kind")
RECORD = "evaluation.json"


def draw_scenarios(request: evaluation_requests.Scenarios) -> int:
    """Draw a scenario set, write it, and register it."""
    space = find_task(request.task).env().spec.scenario
    seeds = range(request.seed, request.seed + request.count)
    made = draw(space, request.task, seeds, ranges(request.vary), request.visibility, request.expires)
    _written(request, made, lambda book: scenarios_id(book, made, request.name))
    return 0


def fix_protocol(request: evaluation_requests.Protocol) -> int:
    """Write a protocol, and register it. Raises `ConfigError` where the task has no such metric."""
    known = find_task(request.task).metrics
    if unknown := sorted(set(request.metrics) - set(known)):
        raise ConfigError(f"{request.task!r} has no metrics {unknown}; it has {sorted(known)}.")
    asked = ("metrics", "episodes", "stop", "width", "batch", "alpha")
    exclude = {name: (low, high) for name, (low, high) in numbers(request.exclude).items()}
    given = {name: getattr(request, name) for name in asked}
    made = Protocol(**given, strata=numbers(request.strata), exclude=exclude, release=_release(request))
    _written(request, made, lambda book: protocol_id(book, request.task, made, request.name))
    return 0


def _release(request: evaluation_requests.Protocol) -> Release | None:
    if request.least is None:
        return None
    names = [field.name for field in dataclasses.fields(Release) if field.name != "level"]
    return Release(**{name: getattr(request, name) for name in names}, level=1.0 - request.alpha)


def _written(request: Any, made: ScenarioSet | Protocol, registered: Callable[[Book], str]) -> None:
    request.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(request.out, canonical(made) + "\n")
    words = f"{request.out}: {made.identity[:12]}"
    if request.at.place != OFF:
        with opened(request.at) as book:
            version = book.registry.get(registered(book))
            words += f", registered as {version.name} ({version.id[:12]})"
    Display().say(words)


def evaluate_in(request: requests.Evaluate) -> int:
    """Test one policy, or two, in several worlds on the same starts."""
    task = find_task(request.env)
    with Display() as display, registering(request.at) as book:
        trial = _trial(request, task, book)
        items = request.items or cache("items")
        store, place = Store(items), find_place(request.executor, items / "jobs")

        def told(done: int, of: int) -> None:
            display.stage("items", done, of)

        table = carry_out(trial, store, place=place, told=told, book=book)
        record = told_of(trial, table)
        versions = register(book, trial, table) if book is not None else []
    _show(display, record, versions)
    if request.out:
        request.out.mkdir(parents=True, exist_ok=True)
        write_atomically(request.out / RECORD, canonical(record | {"versions": versions}))
        write_atomically(request.out / EPISODES, to_parquet(table))
    return 0


def _trial(request: requests.Evaluate, task: Task, book: Book | None) -> Trial:
    names = [name for name in (request.policy, request.against) if name]
    if len(set(names)) < len(names):
        raise ConfigError(f"--against names {names[0]} itself; name another policy.")
    policies = [find_candidate(task, name, book=book) for name in names]
    worlds = [find_world(task, name, book=book) for name in _split(request.worlds)]
    protocol = _protocol(request, book)
    scenarios = _scenarios(request, protocol, task.name, book)
    return Trial(task, policies, worlds, scenarios, protocol, task.steps(request.length), request.at.watts)


def _split(words: str) -> list[str]:
    found = [word.strip() for word in words.split(",") if word.strip()]
    if not found:
        raise ConfigError(f"--in {words} names no world; name some, such as --in push-t,push-t-mujoco.")
    if len(set(found)) < len(found):
        raise ConfigError(f"--in {words} names a world twice; name each once.")
    return found


def _protocol(request: requests.Evaluate, book: Book | None) -> Protocol:
    return find_protocol(request.protocol, book) if request.protocol else Protocol(episodes=request.episodes)


def _scenarios(request: requests.Evaluate, protocol: Protocol, task: str, book: Book | None) -> ScenarioSet:
    if not request.scenarios:
        return ScenarioSet(task, tuple(range(request.seed, request.seed + protocol.episodes)))
    return find_scenarios(request.scenarios, book)


def _show(display: Display, record: dict[str, Any], versions: list[str]) -> None:
    pairs = record["pairs"]
    header = ["policy", "world", "kind", "episodes", *pairs[0]["estimates"], "s/episode", "J/episode"]
    display.table(header, [_row(pair) for pair in pairs])
    for pair in pairs:
        where = f"{pair['policy']} in {pair['world']['name']}"
        if pair["ignored"]:
            display.say(f"{where}: this world cannot be told {', '.join(pair['ignored'])}")
        if pair["optimised_here"]:
            display.say(f"{where}: optimised in this world; its score here is no evidence about another one")
        trust = pair["trust"]
        if pair["world"]["kind"] not in ("real", "physics"):
            low = f"trust below 0.5 in {trust['low']} of {pair['episodes']} episodes, by {trust['basis']}"
            display.say(f"{where}: {low if trust['mean'] is not None else 'trust unknown: ' + trust['basis']}")
        if pair["excluded"]:
            display.say(f"{where}: {pair['excluded']} episodes excluded by the protocol")
        for name, estimate in pair["strata"].items():
            display.say(f"{where}, {name}: {Estimate(**estimate)}")
    for one in record["worlds"]:
        agreement = "unknown" if one["agreement"] is None else f"{one['agreement']:.2f}"
        display.say(
            f"{one['policy']}: {one['world']} minus {one['against']} {Estimate(**one['difference'])}, "
            f"agreement per episode {agreement}"
        )
    for one in record["policies"]:
        display.say(f"{one['policy']} minus {one['against']} in {one['world']}: {Estimate(**one['difference'])}")
    if versions:
        display.say(f"evaluations: {', '.join(version[:12] for version in versions)}")


def _row(pair: dict[str, Any]) -> list[str]:
    cost = pair["cost"]
    joules = cost["joules_per_episode"]
    scores = [interval_text(estimate) for estimate in pair["estimates"].values()]
    kind = pair["world"]["kind"] + (" (imagined)" if pair["world"]["kind"] in ("learned", "hybrid") else "")
    energy = "unknown" if joules is None else f"{joules:.3g} ({cost['energy_source']})"
    costs = [f"{cost['wall_s_per_episode']:.3g}", energy]
    return [pair["policy"], pair["world"]["name"], kind, str(pair["episodes"]), *scores, *costs]
