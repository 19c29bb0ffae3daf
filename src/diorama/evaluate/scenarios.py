"""Scenario sets: a distribution over factors of variation, and the scenarios that were drawn from it. JAX-free."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from diorama.core.canonical import digest
from diorama.core.errors import ConfigError
from diorama.core.spec import ScenarioSpace

Visibility = Literal["open", "dev", "sealed"]
Ranges = Mapping[str, tuple[float, float] | None]
"""Factor to the range it is drawn from, None for its own."""
_STREAM = 0x5CE7


@dataclass(frozen=True)
class ScenarioSet:
    """What is to be played: a seed for each scenario, and a row for each seed of the factors that vary.

    ``distribution``: factor to lowest and highest value (numbers, or one for each entry of a vector), uniform between.
    ``rows``: factor to the drawn values, one for each seed. ``visibility``: ``open`` to all, ``dev`` for development,
    ``sealed``: looks are paid from a budget and nobody tunes on it. ``expires``: last date of its use, or "".
    """

    task: str
    seeds: tuple[int, ...]
    distribution: Mapping[str, Any] = field(default_factory=dict)
    rows: Mapping[str, Any] = field(default_factory=dict)
    visibility: Visibility = "open"
    expires: str = ""

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError("A scenario set needs at least one seed, and each one once.")
        if wrong := sorted(name for name, values in self.rows.items() if len(values) != len(self.seeds)):
            raise ConfigError(
                f"{wrong} do not have one row for each of the {len(self.seeds)} seeds; draw the set anew."
            )
        if self.expires:
            _date(self.expires)

    @property
    def identity(self) -> str:
        """The digest of the set."""
        return digest(self)

    def check(self, task: str, today: datetime.date) -> None:
        """Raise `ConfigError` where the set is for another task or has expired."""
        if task != self.task:
            raise ConfigError(f"These scenarios were drawn for {self.task!r}, not for {task!r}; draw some for it.")
        if self.expires and today > _date(self.expires):
            raise ConfigError(f"These scenarios expired on {self.expires}; draw new ones with `diorama scenarios`.")

    def first(self, count: int) -> "ScenarioSet":
        """The first so many scenarios."""
        rows = {name: tuple(values[:count]) for name, values in self.rows.items()}
        return ScenarioSet(self.task, self.seeds[:count], self.distribution, rows, self.visibility, self.expires)


def draw(
    space: ScenarioSpace,
    task: str,
    seeds: Sequence[int],
    vary: Ranges | None = None,
    visibility: Visibility = "open",
    expires: str = "",
) -> ScenarioSet:
    """Draw a scenario for each seed, from that seed alone. Raises `ConfigError` for a factor or range that is none."""
    distribution, rows = {}, {}
    for name, wanted in sorted((vary or {}).items()):
        if name not in space.factors:
            raise ConfigError(f"{task!r} has no factor {name!r} to vary; it has {sorted(space.factors)}.")
        least, most = space.factors[name].spec.bounds()
        low, high = (np.broadcast_to(np.asarray(end, np.float64), least.shape) for end in wanted or (least, most))
        if (low < least).any() or (high > most).any() or (low > high).any() or not np.isfinite([low, high]).all():
            raise ConfigError(f"Factor {name!r} goes from {least} to {most}; draw it from within, not {wanted}.")
        drawn = [np.random.default_rng([seed, _STREAM, *name.encode()]).uniform(low, high) for seed in seeds]
        distribution[name] = (low.tolist(), high.tolist())
        # As float32, which worlds take, so that a set reads back as it was drawn.
        rows[name] = tuple(np.asarray(row, np.float32).tolist() for row in drawn)
    return ScenarioSet(task, tuple(int(seed) for seed in seeds), distribution, rows, visibility, expires)


def _date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no date; write it as 2027-01-31.") from error
