"""Protocols: what will be measured and when to stop, fixed before anything is run. JAX-free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from diorama.core.canonical import digest, from_json, to_json
from diorama.core.errors import ConfigError
from diorama.evaluate import intervals
from diorama.evaluate.gate.protocol import Release
from diorama.evaluate.records import Episodes
from diorama.evaluate.statistics.betting import betting_mean
from diorama.evaluate.statistics.estimate import Estimate
from diorama.evaluate.statistics.sequence import beta_binomial

Stop = Literal["fixed", "sequential"]


@dataclass(frozen=True)
class Protocol:
    """How policies are tested.

    ``metrics``: names, the first is what decides; () for all of the task, its headline first. ``episodes``: how many,
    or with ``sequential`` the most. ``stop``: ``fixed`` plays them all; ``sequential`` looks after every ``batch`` and
    stops as soon as the interval of the deciding metric is no wider than ``width`` to either side in every world: the
    intervals are then confidence sequences, which hold at all looks at once. ``alpha``: the error probability of each
    interval. ``strata``: factor to the inner edges of its strata. ``exclude``: factor to the range [low, high] whose
    episodes do not count; how many were excluded is told. ``bounds``: of the deciding metric, where it is no rate.
    ``release``: what the release gate asks for, None where nothing is to be released by this protocol.
    """

    metrics: tuple[str, ...] = ()
    episodes: int = 100
    stop: Stop = "fixed"
    width: float = 0.1
    batch: int = 25
    alpha: float = 0.05
    strata: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    exclude: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    bounds: tuple[float, float] = (0.0, 1.0)
    release: Release | None = None

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.batch < 1 or not 0 < self.alpha < 1 or not self.width > 0:
            raise ConfigError(
                "A protocol needs episodes and a batch of at least 1, an alpha between 0 and 1, and a width above 0."
            )
        if wrong := sorted(name for name, edges in self.strata.items() if list(edges) != sorted(set(edges))):
            raise ConfigError(f"The edges of the strata {wrong} must rise.")
        if self.release is not None and abs(self.release.level - self.level) > 1e-9:
            raise ConfigError(
                f"The release asks for a level of {self.release.level:g}, and alpha is {self.alpha:g}; "
                "one is 1 minus the other."
            )

    @property
    def identity(self) -> str:
        """The digest of the protocol."""
        held = to_json(self)
        # Protocols of before there was a release part keep their names and budgets.
        return digest({name: value for name, value in held.items() if name != "release" or value is not None})

    @property
    def level(self) -> float:
        """The level of each interval."""
        return 1.0 - self.alpha

    @property
    def looks(self) -> tuple[int, ...]:
        """After how many episodes to look."""
        if self.stop == "fixed":
            return (self.episodes,)
        return (*range(self.batch, self.episodes, self.batch), self.episodes)

    def counted(self, episodes: Episodes) -> Episodes:
        """The episodes that count. Raises `ConfigError` where a rule asks for a factor that does not vary."""
        kept = np.ones(len(episodes), bool)
        for name, (low, high) in self.exclude.items():
            values = _factor(episodes, name)
            kept &= ~((low <= values) & (values <= high))
        return episodes.take(kept)

    def estimate(self, episodes: Episodes, metric: str) -> Estimate:
        """A metric with its interval: valid at every look where the protocol is sequential."""
        scores = episodes.score(metric)
        if self.stop == "fixed":
            return intervals.rate(scores, self.level) if scores.dtype == bool else intervals.mean(scores, self.level)
        if scores.dtype == bool:
            return beta_binomial(int(scores.sum()), len(scores), self.level)
        low, high = self.bounds
        return betting_mean(scores, self.level, low=low, high=high)

    def satisfied(self, estimates: Sequence[Estimate]) -> bool:
        """Whether the deciding intervals are narrow enough."""
        return all(max(one.high - one.value, one.value - one.low) <= self.width for one in estimates)

    def parts(self, episodes: Episodes) -> dict[str, Episodes]:
        """The episodes of each stratum, by what it is; empty strata are left out."""
        found = {}
        for name, edges in self.strata.items():
            values = _factor(episodes, name)
            bounds = [-np.inf, *edges, np.inf]
            for low, high in zip(bounds[:-1], bounds[1:], strict=True):
                rows = (values >= low) & (values < high)
                if rows.any():
                    found[f"{name} from {low:g} to {high:g}"] = episodes.take(rows)
        return found


def protocol_of(data: Any, where: str = "") -> Protocol:
    """The protocol that JSON values hold, also one of before there was one format for all: a release part alone.

    Raises `ConfigError` for anything else.
    """
    if isinstance(data, Mapping) and {"least", "budget"} <= set(data):
        alone = from_json(Release, data, where)
        return Protocol(alpha=1.0 - alone.level, release=alone)
    return from_json(Protocol, data, where)


def _factor(episodes: Episodes, name: str) -> np.ndarray:
    if name not in episodes.factors:
        raise ConfigError(
            f"The protocol speaks of the factor {name!r}, and the scenarios vary {sorted(episodes.factors)}; "
            "draw scenarios that vary it."
        )
    return episodes.factors[name]
