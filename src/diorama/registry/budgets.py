"""Budgets: what was granted and spent, purse by purse, from entries that are only ever appended.

A budget's purse holds one unit: ``queries`` of a held-out set, real ``trials``, ``alpha``, ``joules``, ``euros``. Real
trials have two purses that must not be mixed: ``estimation``, drawn with known probabilities, and ``discovery``, aimed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from diorama.core.errors import DataError
from diorama.registry.records import BudgetEntry, Event

PURSES = ("estimation", "discovery")
"""The purses of real trials."""
TRIALS = "trials"
"""The unit of real trials."""
_DUST = 1e-9
"""Share of what was granted that rounding may lose."""


@dataclass(frozen=True)
class Balance:
    """One purse of a budget [``unit``]: what was ``granted``, what was ``spent``, and its ``events``, oldest first."""

    budget: str
    purse: str
    unit: str
    granted: float = 0.0
    spent: float = 0.0
    events: tuple[Event, ...] = ()

    @property
    def left(self) -> float:
        """What may still be spent."""
        return self.granted - self.spent


def balances(events: Iterable[Event]) -> list[Balance]:
    """The balance of each purse that these entries of the log speak of, by budget, purse and unit."""
    found: dict[tuple[str, str, str], list[Event]] = {}
    for event in events:
        if isinstance(entry := event.entry, BudgetEntry):
            found.setdefault((entry.budget, entry.purse, entry.unit), []).append(event)
    return [_sum(*key, tuple(found[key])) for key in sorted(found)]


def balance(events: Iterable[Event], budget: str, purse: str, unit: str) -> Balance:
    """The balance of one purse; of a purse that no entry speaks of, nothing was granted."""
    wanted = (budget, purse, unit)
    return next((b for b in balances(events) if (b.budget, b.purse, b.unit) == wanted), Balance(*wanted))


def check_purse(entry: BudgetEntry, others: Iterable[Balance]) -> None:
    """Raise `DataError` where an entry mixes what must stay apart. ``others``: the balances of the same budget."""
    if entry.unit == TRIALS and entry.purse not in PURSES:
        raise DataError(
            f"Real trials of {entry.budget} come from the purse {' or '.join(PURSES)}, not from {entry.purse!r}: "
            "mixing them would bias every estimate."
        )
    units = {other.unit for other in others if other.purse == entry.purse} - {entry.unit}
    if units:
        raise DataError(
            f"The purse {entry.purse} of {entry.budget} holds {units.pop()}, not {entry.unit}; name another purse."
        )


def check_left(entry: BudgetEntry, before: Balance) -> None:
    """Raise `DataError` where an entry spends more than its purse holds."""
    if entry.amount < 0 and before.left + entry.amount < -_DUST * max(before.granted, 1.0):
        raise DataError(
            f"{-entry.amount:g} {entry.unit} cannot be spent from {entry.budget}, purse {entry.purse}: "
            f"{before.left:g} of {before.granted:g} are left; grant more first, with the reason."
        )


def _sum(budget: str, purse: str, unit: str, events: tuple[Event, ...]) -> Balance:
    amounts = [event.entry.amount for event in events]
    granted = sum((a for a in amounts if a > 0), 0.0)
    return Balance(budget, purse, unit, granted, -sum((a for a in amounts if a < 0), 0.0), events)
