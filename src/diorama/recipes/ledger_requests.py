"""What each verb of the budgets asks for. JAX-free."""

import math
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from diorama.core.errors import ConfigError
from diorama.recipes.where import Where

Json = Annotated[bool, FlagCreatePairsOff, arg(help="Print JSON for machines.")]
At = Annotated[Where, arg(name="")]


@dataclass(frozen=True)
class BudgetGrant:
    """Grant something to a purse of a budget. The entry stays on record.

    Example: diorama budget grant lab-2026 40 --unit trials --purse estimation --why "release of the gripper policy"
    """

    budget: Positional[str]
    """Name of the budget."""
    amount: Positional[float]
    """How much."""
    unit: str
    """Of what: queries (of a held-out set), trials (real ones), alpha, joules, euros, ..."""
    why: str
    """Why it was granted."""
    purse: str = "main"
    """Which purse. Real trials have two: estimation and discovery."""
    at: At = Where()
    json: Json = False

    def __post_init__(self) -> None:
        _positive(self.amount)


@dataclass(frozen=True)
class BudgetSpend:
    """Take something from a purse, before the work that it pays for. Refused where less is left.

    Example: diorama budget spend lab-2026 12 --unit trials --purse discovery --why "worlds disagree on wet tables"
    """

    budget: Positional[str]
    """Name of the budget."""
    amount: Positional[float]
    """How much."""
    unit: str
    """Of what; see `diorama budget grant`."""
    why: str
    """What for."""
    purse: str = "main"
    """From which purse."""
    at: At = Where()
    json: Json = False

    def __post_init__(self) -> None:
        _positive(self.amount)


@dataclass(frozen=True)
class BudgetLog:
    """Show what each purse was granted, what was spent and what is left; with a name also every entry.

    Example: diorama budget log lab-2026
    """

    budget: Positional[str | None] = None
    """One budget. Default: all, without their entries."""
    at: At = Where()
    json: Json = False


def _positive(amount: float) -> None:
    if not (math.isfinite(amount) and amount > 0):
        raise ConfigError(f"The amount is {amount}; give a number above 0.")
