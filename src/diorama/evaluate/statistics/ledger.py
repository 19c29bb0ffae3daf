"""What a claim may still spend: error probability and looks at the sealed scenarios. Arithmetic only.

The registry keeps the record; these functions say what it means. By the union bound, all claims of a ledger hold
together with probability at least 1 - ``total``, however they depend.
"""

from dataclasses import dataclass, replace

import numpy as np

from diorama.core.errors import ConfigError


@dataclass(frozen=True)
class Spending:
    """One claim: its name, the error probability it may use, and how many looks at sealed scenarios it takes."""

    claim: str
    alpha: float
    queries: int = 0


@dataclass(frozen=True)
class AlphaLedger:
    """A total error probability and a number of sealed looks, and what was spent of both. Immutable."""

    total: float = 0.05
    queries: int = 0
    spent: tuple[Spending, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 < self.total < 1.0 or self.queries < 0:
            raise ConfigError(
                f"A ledger needs a total in (0, 1) and queries >= 0, got {self.total} and {self.queries}."
            )

    @property
    def alpha_left(self) -> float:
        """Error probability that is not spent."""
        return max(self.total - sum(entry.alpha for entry in self.spent), 0.0)

    @property
    def queries_left(self) -> int:
        """Looks at the sealed scenarios that are left."""
        return self.queries - sum(entry.queries for entry in self.spent)

    def spend(self, claim: str, alpha: float, queries: int = 0) -> "AlphaLedger":
        """The ledger after one more claim; raises `ConfigError` where it cannot pay or the claim was paid before."""
        if any(entry.claim == claim for entry in self.spent):
            raise ConfigError(f"Claim {claim!r} was paid for; a second look is a second claim with a name of its own.")
        if not alpha > 0.0 or queries < 0:
            raise ConfigError(f"A claim spends an alpha above 0 and no negative queries, got {alpha} and {queries}.")
        if alpha > self.alpha_left * (1 + 1e-12) or queries > self.queries_left:
            raise ConfigError(
                f"Claim {claim!r} asks for alpha {alpha:g} and {queries} queries, but {self.alpha_left:g} and "
                f"{self.queries_left} are left; ask for less or open a new ledger on newly sealed scenarios."
            )
        return replace(self, spent=(*self.spent, Spending(claim, alpha, queries)))

    def spend_next(self, claim: str, queries: int = 0) -> "AlphaLedger":
        """The same with the next share of `series_share`, for claims whose number is not known beforehand."""
        return self.spend(claim, series_share(self.total, len(self.spent) + 1), queries)


def series_share(total: float, position: int) -> float:
    """The share of the ``position``-th claim (from 1): total * 6 / (pi position)^2, whose endless sum is ``total``."""
    if position < 1:
        raise ConfigError(f"Claims are counted from 1, got {position}.")
    return total * 6.0 / (np.pi * position) ** 2


def simultaneous_half_width(count: int, queries: int, level: float = 0.95) -> float:
    """Half-width that holds for ``queries`` rates at once on ``count`` sealed episodes, chosen before any look.

    Hoeffding's bound with the union bound, sqrt(log(2 k / alpha) / (2 n)). Where later queries depend on the answers
    to earlier ones it does not hold: seal new scenarios.
    """
    if count < 1 or queries < 1:
        raise ConfigError(f"Counts of episodes and queries are at least 1, got {count} and {queries}.")
    return float(np.sqrt(np.log(2.0 * queries / (1.0 - level)) / (2.0 * count)))
