"""What the verbs that make new versions from old ones do: patch, replay, rebuild. Each gives the exit code."""

from rich.console import Console

from diorama.cli.answering import WORLDS_FIRST, find, opened, say, say_json
from diorama.cli.display import Display
from diorama.core.errors import DataError
from diorama.data import Dataset
from diorama.recipes import rebuild_requests as requests
from diorama.recipes.book import Book
from diorama.recipes.loop import WORLD, find_artifact
from diorama.recipes.patching import close, patch_with_artifact, patch_with_data, patchable
from diorama.recipes.rebuilding import RecipeMaker
from diorama.recipes.replaying import advisory_entry
from diorama.registry.plan import check_alike
from diorama.registry.plan import plan as plan_of
from diorama.registry.rebuild import Done
from diorama.registry.rebuild import rebuild as rebuild_plan
from diorama.registry.records import Version

_SHORT = 12


def patch(request: requests.Patch) -> int:
    """Make a new version of a world."""
    with opened(request.at) as book, Display() as display:
        world = patchable(book.registry.get(find(book, request.world, WORLDS_FIRST)))
        if request.closes:
            advisory_entry(book, request.closes)  # a slip is said before the work and not after it
        if request.fix is not None:
            made = patch_with_artifact(book, world, find_artifact(request.fix, WORLD))
        else:
            dataset = Dataset.open(request.data)
            made = patch_with_data(book, world, dataset, request.out, display.learning, request.updates)
        if request.closes:
            close(book, request.closes, made)
    old, new = world.id[:_SHORT], made[:_SHORT]
    say(f"{world.name}: {new} patches {old}; see `diorama plan {old} {new}`")
    return 0


def replay(request: requests.Replay) -> int:
    """Replay an advisory's regression scenarios on a policy."""
    with opened(request.at) as book:
        policy = _of_kind(book, find(book, request.policy), "policy")
        world = _of_kind(book, find(book, request.world, WORLDS_FIRST), "simulator").id
        affected = advisory_entry(book, request.advisory).affects
        if world in affected:
            raise DataError(
                f"{request.world} has the defect {request.advisory} itself, so a replay in it proves nothing; name a "
                "world that is free of it."
            )
        maker = RecipeMaker(book, requests.Rebuild.out, lambda report: None)
        found = maker.replay(policy, request.advisory, affected[0] if affected else world, world)
        book.registry.append(found)
    if request.json:
        say_json(found)
    else:
        say(f"{found.passed} of {found.total} regression scenarios passed, {found.flips} flipped to failure")
    return 0


def _of_kind(book: Book, version: str, kind: str) -> Version:
    """The version, where it is of this kind. Raises `DataError` where it is not."""
    found = book.registry.get(version)
    if found.kind != kind:
        raise DataError(f"{found.name} ({version[:_SHORT]}) is a {found.kind}, and this needs a {kind}; name one.")
    return found


def rebuild(request: requests.Rebuild) -> int:
    """Carry a plan out; 1 where something was left to be done by hand."""
    # Machines read the answer from the output, so progress goes to the other stream then.
    console = Console(stderr=request.json)
    with opened(request.at) as book, Display(console) as display:
        old, new = (find(book, word, WORLDS_FIRST) for word in (request.old, request.new))
        retrain = [find(book, word) for word in request.retrain]
        graph = book.registry.graph([old, new], down=True)
        check_alike(graph, old, new)
        plan = plan_of(graph, old, new, finetune=request.finetune, retrain=retrain)
        maker = RecipeMaker(book, request.out, display.learning)
        only = [find(book, word) for word in request.only]
        told = (lambda done: None) if request.json else (lambda done: say(_line(done)))
        finished = rebuild_plan(book.registry, plan, maker, only=only, told=told)
    if request.json:
        say_json(finished)
    return int(any(done.outcome == "left" for done in finished))


def _line(done: Done) -> str:
    new = f" -> {done.new[:_SHORT]}" if done.new not in ("", done.id) else ""
    why = f" ({done.sentence})" if done.sentence else ""
    return f"{done.outcome:<9} {done.action}: {done.kind} {done.name} {done.id[:_SHORT]}{new}{why}"
