"""What the verbs of the budgets do. Nothing here needs JAX. Each function gives the exit code."""

import datetime

from diorama.cli.answering import opened, say, say_json
from diorama.recipes import ledger_requests as requests
from diorama.registry.budgets import Balance
from diorama.registry.records import BudgetEntry, Event


def grant(request: requests.BudgetGrant) -> int:
    """Grant something to a purse."""
    entry = BudgetEntry(request.budget, request.purse, request.amount, request.unit, request.why)
    with opened(request.at) as book:
        event = book.registry.append(entry)
        return _told(event, book.registry.balances(request.budget), request.json)


def spend(request: requests.BudgetSpend) -> int:
    """Take something from a purse."""
    with opened(request.at) as book:
        event = book.registry.spend(request.budget, request.purse, request.amount, request.unit, request.why)
        return _told(event, book.registry.balances(request.budget), request.json)


def log(request: requests.BudgetLog) -> int:
    """The balance of each purse, and the entries of one budget."""
    with opened(request.at) as book:
        found = book.registry.balances(request.budget)
    if request.json:
        say_json([{**vars(one), "left": one.left} for one in found])
        return 0
    lines = [_line(one) for one in found]
    if request.budget is not None:
        events = sorted((event for one in found for event in one.events), key=lambda event: event.sequence)
        lines += [_entry(event) for event in events]
    say("\n".join(lines) or "nothing was granted or spent")
    return 0


def _told(event: Event, balances: list[Balance], as_json: bool) -> int:
    if as_json:
        say_json(event)
        return 0
    say(next(_line(one) for one in balances if event in one.events))
    return 0


def _line(one: Balance) -> str:
    return f"{one.budget}, purse {one.purse}: {one.left:g} of {one.granted:g} {one.unit} left"


def _entry(event: Event) -> str:
    moment = datetime.datetime.fromtimestamp(event.time, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    entry = event.entry
    return f"  {moment}  {entry.purse:<12} {entry.amount:+g} {entry.unit}, by {event.author}: {entry.why}"
