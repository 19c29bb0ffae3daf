"""What the verbs that ask the registry do. Nothing here needs JAX. Each function gives the exit code."""

import datetime
import time

from diorama.cli.answering import WORLDS_FIRST, answer, asked, find, opened, say, say_json
from diorama.core.errors import ConfigError
from diorama.recipes import rebuild_requests as rebuild
from diorama.recipes import registry_requests as requests
from diorama.recipes.book import other_urls
from diorama.recipes.where import OFF
from diorama.registry.check import check_place
from diorama.registry.debt import debt as debt_of
from diorama.registry.difference import difference
from diorama.registry.explain import explain as explain_version
from diorama.registry.lineage import DOWN, UP
from diorama.registry.lineage import lineage as lineage_of
from diorama.registry.listing import Line, Search
from diorama.registry.plan import check_alike
from diorama.registry.plan import plan as plan_of
from diorama.registry.records import Damage, Version
from diorama.registry.restore import restore
from diorama.registry.status import status_all, status_of

_SHORT = 12


def check(request: requests.Check) -> int:
    """Look for damage; 1 where there is some that loses something."""
    if request.at.place == OFF:
        raise ConfigError("There is nothing to check: --registry none says that there is no registry; name its folder.")
    found = check_place(request.at.place, **other_urls(), complete=True)
    if request.json:
        say_json(found)
    else:
        say("\n".join([*(f"{damage.what}: {damage.sentence}" for damage in found), _verdict(found)]))
    return int(any(not damage.harmless for damage in found))


def _verdict(found: list[Damage]) -> str:
    bad = sum(not damage.harmless for damage in found)
    return f"{bad} damaged" if bad else "sound; nothing is lost" if found else "sound"


def collect_garbage(request: requests.Collection) -> int:
    """Remove what nothing reaches."""
    with opened(request.at) as book:
        gone = book.registry.gc(request.dry_run)
    if request.json:
        say_json(gone)
    else:
        verb = "would go" if request.dry_run else "gone"
        say("\n".join([*gone, f"{len(gone)} files {verb}; files younger than an hour stay"]))
    return 0


def restore_versions(request: requests.Restore) -> int:
    """Register again what the database lost."""
    with opened(request.at) as book:
        found = restore(book.registry)
    say("\n".join([*(_line(version) for version in found), f"{len(found)} versions restored"]))
    return 0


def list_versions(request: requests.List) -> int:
    """List versions, the newest first."""
    with opened(request.at) as book:
        kinds = (request.kind,) if request.kind else ()
        on = find(book, request.on) if request.on else ""
        wanted = Search(
            kinds, request.name or "", request.containing, on=on, limit=request.limit, before=request.before
        )
        page = book.registry.search(wanted)
    if request.json:
        say_json([{"id": v.id, "kind": v.kind, "name": v.name, "created": v.created} for v in page.lines])
    else:
        left = f"{page.total} in all; the next page: --before {page.before}"
        say("\n".join([*map(_line, page.lines), *([left] if page.before else [])]) or "nothing yet")
    return 0


def status(request: requests.Status) -> int:
    """The status of one version with its causes, or of all."""
    with opened(request.at) as book:
        if request.what is not None:
            version, graph = asked(book, request.what)
            return answer(status_of(graph, version), request.json)
        graph = book.registry.graph()
    found = {version: state for version, state in status_all(graph).items() if graph.get(version).kind != "build"}
    if request.json:
        say_json(found)
    else:
        say("\n".join(f"{state:<8} {_line(graph.get(one))}" for one, state in found.items()) or "nothing yet")
    return 0


def plan(request: rebuild.Plan) -> int:
    """What to do downstream of a version that is replaced."""
    with opened(request.at) as book:
        old, new = (find(book, word, WORLDS_FIRST) for word in (request.old, request.new))
        retrain = [find(book, word) for word in request.retrain]
        graph = book.registry.graph([old, new], down=True)
    check_alike(graph, old, new)
    return answer(plan_of(graph, old, new, finetune=request.finetune, retrain=retrain), request.json)


def debt(request: requests.Debt) -> int:
    """What shortcuts left behind in one version, or in every policy and simulator that owes something."""
    with opened(request.at) as book:
        if request.what is not None:
            version = find(book, request.what)
            return answer(debt_of(book.registry.graph([version]), version, time.time()), request.json)
        graph = book.registry.graph()
    made = [v.id for v in graph.versions.values() if v.kind in ("policy", "simulator")]
    owing = [one for one in (debt_of(graph, version, time.time()) for version in made) if _owes(one)]
    if request.json:
        say_json(owing)
    else:
        from diorama.registry.render import text

        say("\n".join(map(text, owing)) or "no debt")
    return 0


def lineage(request: requests.Lineage) -> int:
    """What a version rests on and what rests on it."""
    with opened(request.at) as book:
        version, graph = asked(book, request.what, down=True)
    ways = [way for way, wanted in ((UP, request.up), (DOWN, request.down)) if wanted] or [UP, DOWN]
    found = [lineage_of(graph, version, way) for way in ways]
    if request.json:
        say_json({one.direction: one for one in found})
        return 0
    return max(answer(one, False) for one in found)


def diff(request: requests.Diff) -> int:
    """What differs between two versions."""
    with opened(request.at) as book:
        before, after = find(book, request.before), find(book, request.after)
        graph = book.registry.graph([before, after], down=True)
        return answer(difference(graph, before, after, book.registry.read_blob), request.json)


def explain(request: requests.Explain) -> int:
    """Everything about one version."""
    with opened(request.at) as book:
        version, graph = asked(book, request.what, down=True)
        return answer(explain_version(graph, version, time.time()), request.json)


def _line(version: Version | Line) -> str:
    moment = datetime.datetime.fromtimestamp(version.created, datetime.UTC).strftime("%Y-%m-%d %H:%M")
    from diorama.registry.render import short

    return f"{version.id[:_SHORT]}  {moment}  {version.kind:<12} {short(version.name)}"


def _owes(found: object) -> bool:
    return bool(found.patch_depth or found.unreplayed or found.generated_share)
