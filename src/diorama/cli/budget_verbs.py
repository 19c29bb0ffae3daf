"""What ``diorama budget plan, run, worksheet, record, report`` do. Each function gives the exit code."""

from typing import Any

from diorama.cli.answering import find, opened, say, say_json
from diorama.cli.display import Display
from diorama.core.errors import DataError
from diorama.evaluate.budget import Answer
from diorama.evaluate.budget.planning import DISCOVERY, ESTIMATION
from diorama.recipes import budgeting
from diorama.recipes import testing_requests as requests
from diorama.recipes.book import Book

_SHORT, _SHOWN = 12, 10
_MAY = 8 * 2**20


def plan(request: requests.BudgetPlan) -> int:
    """Propose trials, and pay for them."""
    counts = {ESTIMATION: request.estimation, DISCOVERY: request.discovery}
    with opened(request.at) as book:
        policies = [find(book, one) for one in request.policies]
        made = budgeting.plan(
            book, request.budget, policies, counts, seed=request.seed, level=request.level, pay=not request.dry_run
        )
        left = book.registry.balances(request.budget)
    if request.json:
        say_json({"plan": made.version, "policies": made.policies, "trials": made.plan.trials})
        return 0
    _show_plan(made)
    say("\n".join(f"{one.purse}: {one.left:g} of {one.granted:g} {one.unit} left" for one in left))
    return 0


def run(request: requests.BudgetRun) -> int:
    """Play the trials."""
    from diorama.cli.verbs import registering
    from diorama.recipes.real_trials import play

    with registering(request.at) as book, Display() as display:
        if book is None:
            raise DataError("Trials are recorded in the registry; leave --no-registry out.")
        made = budgeting.newest_plan(book, request.budget)
        play(book, made, request.world, display.stage, request.policy)
        return _report(book, made, request.json)


def worksheet(request: requests.BudgetWorksheet) -> int:
    """Write the sheet and its key."""
    with opened(request.at) as book:
        sheet = budgeting.make_sheet(book, request.budget, request.out, request.key)
    say(
        f"{len(sheet.rows)} trials: {request.out / 'sheet.csv'}, sheet.html, sheet.md\n"
        f"key: {request.key}, sealed by {sheet.commitment[:_SHORT]}; keep it from whoever does the trials"
    )
    return 0


def record(request: requests.BudgetRecord) -> int:
    """Take the outcomes of a sheet."""
    try:
        if request.sheet.stat().st_size > _MAY:
            raise DataError(f"{request.sheet} is larger than any sheet; give the CSV that was filled in.")
        text = request.sheet.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{request.sheet} cannot be read ({error}); save the sheet as CSV in UTF-8.") from error
    with opened(request.at) as book:
        done = budgeting.record(book, request.budget, text, request.key)
        if done.evaluations:
            return _report(book, budgeting.newest_plan(book, request.budget), request.json)
    if request.json:
        say_json(done)
    else:
        then = "record with --key to unblind" if not done.open else "record the rest when it is done"
        say(f"{done.new} outcomes recorded, {done.open} trials open; {then}")
    return 0


def report(request: requests.BudgetReport) -> int:
    """Say what the trials say."""
    with opened(request.at) as book:
        return _report(book, budgeting.newest_plan(book, request.budget), request.json)


def _report(book: Book, made: budgeting.Planned, as_json: bool) -> int:
    found = {policy: budgeting.answer_of(book, made, policy) for policy in made.policies}
    left = budgeting.open_trials(book, made)
    if as_json:
        say_json({"plan": made.version, "open": left, "answers": {p: _json(a) for p, a in found.items()}})
        return 0
    Display().table(
        ["policy", "success in reality", "without worlds", "both purses", "correlation", "trials saved", "discovered"],
        [_row(book, policy, one) for policy, one in found.items()],
    )
    say(f"plan {made.version[:_SHORT]}: {left} trials open, {made.plan.method}, level {made.plan.level:g}")
    return 0


def _row(book: Book, policy: str, one: Answer | None) -> list[str]:
    name = f"{book.registry.get(policy).name} {policy[:_SHORT]}"
    if one is None:
        return [name, "not yet", "", "", "", "", ""]
    return [
        name,
        str(one.powered),
        str(one.alone),
        str(one.weighted or "-"),
        f"{one.correlation:.2f}" if one.correlation == one.correlation else "unknown",
        f"{one.saved:.0%}" if one.saved == one.saved else "unknown",
        f"{len(one.discovered)} failures",
    ]


def _json(one: Answer | None) -> Any:
    if one is None:
        return None
    correlation = one.correlation if one.correlation == one.correlation else None
    return {**vars(one), "correlation": correlation}


def _show_plan(made: budgeting.Planned) -> None:
    trials = made.plan.trials
    rows = [
        [str(t.seed), t.purse, str(t.stratum), f"{t.probability:.3f}", ", ".join(t.reasons) or "representative"]
        for t in trials[:_SHOWN]
    ]
    rows += [
        [str(t.seed), t.purse, str(t.stratum), f"{t.probability:.3f}", ", ".join(t.reasons)]
        for t in trials[max(_SHOWN, made.plan.count(ESTIMATION)) :][:_SHOWN]
    ]
    Display().table(["start", "purse", "stratum", "probability", "why"], rows)
    if len(trials) > len(rows):
        say(f"... {len(trials)} starts in all")
    name = f"plan {made.version[:_SHORT]}" if made.version else "not registered"
    say(f"{name}: {len(trials)} starts of {len(made.plan.seeds)}, {len(made.policies)} policies, {made.plan.method}")
