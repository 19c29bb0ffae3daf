"""Laws that every world of a kind keeps, as predicates of what is observed. JAX-free."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from diorama.core.errors import ConfigError

Seen = Mapping[str, np.ndarray]
Excess = Callable[[Seen, np.ndarray, Seen], np.ndarray]


@dataclass(frozen=True)
class Invariant:
    """One law: ``excess(before, action, after)`` is by how much a step breaks it, in ``unit``; 0 where it does not.

    Observations by name and actions have any leading axes, which the excess keeps. Up to ``tolerance`` [``unit``] it is
    the law's own roughness: reality stays below it.
    """

    name: str
    unit: str
    tolerance: float
    excess: Excess
    doc: str = ""

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise ConfigError(f"The law {self.name!r} has tolerance {self.tolerance}; give a positive one.")
