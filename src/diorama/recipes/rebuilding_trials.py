"""Making an evaluation of `diorama evaluate --in` again: the same scenarios and protocol, the new policy or world."""

import json
from collections.abc import Mapping

from diorama.core.artifact import WEIGHTS
from diorama.core.canonical import from_json
from diorama.evaluate.preregistered import Protocol
from diorama.evaluate.running import Store
from diorama.evaluate.scenarios import ScenarioSet
from diorama.recipes import scoring
from diorama.recipes.candidates import find_candidate
from diorama.recipes.describing import replacing
from diorama.recipes.protocols import SCENARIOS, Trial, carry_out, manifests, taken
from diorama.recipes.tasks import find_task
from diorama.recipes.workshop import Workshop, one
from diorama.recipes.worlds import cache, find_world
from diorama.registry.actions import Action
from diorama.registry.recording import Recorder
from diorama.registry.records import Version

VERB = "evaluate-in"
"""How the command names itself on record."""
_EVALUATION, _CLAIM = "evaluation", "claim"


def refusal(shop: Workshop, action: Action) -> str:
    """Why this cannot be tested again, as a sentence; "" where it can."""
    policy = shop.book.registry.get(one(action, "policy"))
    if policy.fields.get("kind") == "scripted" or WEIGHTS in policy.manifest.blobs:
        return ""
    return (
        f"The registry does not keep the file of {policy.name}; test it by hand with `diorama evaluate FILE "
        f"--env {action.command['task']} --in WORLD`."
    )


def evaluate_again(shop: Workshop, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
    """The same test of what the action names now; looks at sealed scenarios are paid for like those of anybody."""
    book, task, command = shop.book, find_task(action.command["task"]), action.command
    policy = find_candidate(task, one(action, "policy"), book=book)
    world = find_world(task, one(action, "world"), book=book)
    drawn, protocol = (book.registry.get(one(action, role)) for role in ("scenarios", "protocol"))
    scenarios = from_json(ScenarioSet, json.loads(book.registry.read_blob(drawn.manifest.blobs[SCENARIOS])))
    asked = from_json(Protocol, protocol.fields["protocol"])
    trial = Trial(task, [policy], [world], scenarios, asked, command["length"])
    with Recorder(book.registry, action, book.stopwatch()) as stage:
        part = carry_out(trial, Store(cache("items")), book=book)
        evaluation, claim = manifests(book, trial, policy, world, part, drawn.id)
        made = stage.output(_EVALUATION, replacing(evaluation, supersedes.get(_EVALUATION)))
        stage.output(_CLAIM, replacing(scoring.supported(claim, made), supersedes.get(_CLAIM)))
        stage.took(taken(part))
    return shop.made(action)
