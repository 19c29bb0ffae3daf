"""Specs: what goes into a world and comes out of it, with units and bounds. JAX-free.

An observation is always a mapping from a name to an array, so that several cameras and proprioception
need no special case. The column of observation ``state`` in a dataset is ``observation.state``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diorama.core.errors import SpecError


@dataclass(frozen=True)
class ArraySpec:
    """One array: its shape, dtype, unit and inclusive bounds.

    ``low`` and ``high`` are numbers or tuples that broadcast to ``shape``; infinities mean unbounded.
    ``names`` optionally names the entries of a vector. ``unit`` is an SI unit or ``px``, ``1`` for none.
    """

    shape: tuple[int, ...]
    unit: str = "1"
    low: float | tuple[float, ...] = -np.inf
    high: float | tuple[float, ...] = np.inf
    dtype: str = "float32"
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        low, high = self.bounds()
        if np.any(low > high):
            raise SpecError(f"Lower bound {self.low} exceeds upper bound {self.high}; swap them.")
        if self.names and (len(self.shape) != 1 or len(self.names) != self.shape[0]):
            raise SpecError(
                f"{len(self.names)} names for shape {self.shape}; give one name for each entry of a vector."
            )

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """``low`` and ``high`` as float64 arrays of ``shape``."""
        try:
            return tuple(np.broadcast_to(np.asarray(b, np.float64), self.shape) for b in (self.low, self.high))
        except ValueError as error:
            raise SpecError(f"Bounds {self.low}, {self.high} do not broadcast to shape {self.shape}.") from error

    @property
    def bounded(self) -> bool:
        """Whether every bound is finite."""
        return all(bool(np.isfinite(b).all()) for b in self.bounds())

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(np.prod(self.shape, dtype=int))

    def check(self, value: Any, name: str, tolerance: float = 1e-5) -> None:
        """Raise `SpecError` where ``value`` (no batch axis) misfits in shape, dtype, finiteness or bounds."""
        array = np.asarray(value)
        if array.shape != self.shape:
            raise SpecError(f"{name} has shape {array.shape}, its spec says {self.shape}; change one of them.")
        if array.dtype != np.dtype(self.dtype):
            raise SpecError(f"{name} has dtype {array.dtype}, its spec says {self.dtype}; cast it or change the spec.")
        if not np.isfinite(array).all():
            raise SpecError(f"{name} holds NaN or infinity; a spec'd array is always finite.")
        low, high = self.bounds()
        slack = tolerance * np.maximum(1.0, np.where(np.isfinite(high - low), high - low, 1.0))
        if (array < low - slack).any() or (array > high + slack).any():
            raise SpecError(f"{name} leaves its bounds [{self.low}, {self.high}]: {array.min()} to {array.max()}.")


@dataclass(frozen=True)
class Factor:
    """One named factor of variation: its default, its range and its unit. ``shape`` is () for a number."""

    default: float | tuple[float, ...]
    low: float | tuple[float, ...]
    high: float | tuple[float, ...]
    unit: str = "1"
    doc: str = ""
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.spec.check(np.broadcast_to(np.float32(self.default), self.shape), "A factor's default")

    @property
    def spec(self) -> ArraySpec:
        """The factor's value as an `ArraySpec`."""
        return ArraySpec(self.shape, self.unit, self.low, self.high)


@dataclass(frozen=True)
class ScenarioSpace:
    """The named factors of variation of an environment. A scenario is a mapping from each name to its value."""

    factors: Mapping[str, Factor] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.factors.items(), key=lambda item: item[0])))

    def default(self) -> dict[str, np.ndarray]:
        """The scenario in which every factor has its default value."""
        return {name: np.full(f.shape, f.default, np.float32) for name, f in self.factors.items()}

    def fix(self, **values: Any) -> dict[str, np.ndarray]:
        """The default scenario with some factors set. Raises `SpecError` for unknown names and values out of range."""
        scenario = self.default() | {name: np.asarray(value, np.float32) for name, value in values.items()}
        self.check(scenario)
        return scenario

    def sample(self, seed: int, only: tuple[str, ...] | None = None) -> dict[str, np.ndarray]:
        """Domain randomisation: the factors in ``only`` (default: all) uniform in their ranges, the rest at default."""
        rng = np.random.default_rng(seed)
        drawn = {}
        for name, factor in self.factors.items():
            value = np.asarray(rng.uniform(*factor.spec.bounds()), np.float32)
            drawn[name] = value if only is None or name in only else self.default()[name]
        self._known(only or ())
        return drawn

    def check(self, scenario: Mapping[str, Any]) -> None:
        """Raise `SpecError` where a name is unknown or missing, or a value leaves its range."""
        self._known(scenario)
        if missing := sorted(set(self.factors) - set(scenario)):
            raise SpecError(f"The scenario lacks {missing}; start from space.default() or space.fix(...).")
        for name, factor in self.factors.items():
            factor.spec.check(np.asarray(scenario[name], np.float32), f"Scenario factor {name!r}")

    def _known(self, names: Any) -> None:
        if unknown := sorted(set(names) - set(self.factors)):
            raise SpecError(f"Unknown scenario factors {unknown}; this world has {sorted(self.factors)}.")


@dataclass(frozen=True)
class EnvSpec:
    """What a world takes and gives: observations by name, the action, the control period [s], the scenario space."""

    name: str
    observation: Mapping[str, ArraySpec]
    action: ArraySpec
    control_period: float
    scenario: ScenarioSpace = field(default_factory=ScenarioSpace)

    def __hash__(self) -> int:
        observation = tuple(sorted(self.observation.items(), key=lambda item: item[0]))
        return hash((self.name, observation, self.action, self.control_period, self.scenario))

    def __post_init__(self) -> None:
        if not self.control_period > 0:
            raise SpecError(f"Control period {self.control_period} s of {self.name!r} must be positive.")
        if not self.observation:
            raise SpecError(f"{self.name!r} has no observation; name at least one array.")
