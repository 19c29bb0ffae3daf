"""What a policy visited while it was trained, small enough for its manifest, and how much of it lies in a region.

Two sketches, both filled batch by batch and merged without loss:

* for each scenario factor a histogram over declared edges, with open outer bins and the exact extremes;
* of the quantised observations the cells with the smallest hashes (a bottom-k sample: Bar-Yossef et al. 2002), with
  their visits. Up to ``keep`` cells this is every cell; beyond, what is kept is an even sample of all cells.

A region is ``{"factors": {name: [low, high], ...}}`` (all of them at once), ``{"cells": [hash, ...]}`` (any of them),
both (at once), or ``{"everywhere": true}``. Histograms are marginal, so the share of visits in a region is an interval.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diorama.core.errors import DataError

KEEP = 1024


@dataclasses.dataclass(frozen=True)
class Histogram:
    """Visits of one factor. ``counts`` has one entry more than ``edges``: the outer bins are open.

    Bin i holds ``edges[i-1] <= value < edges[i]``. ``least`` and ``most`` are the extremes, None before any visit.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    least: float | None = None
    most: float | None = None

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.edges) + 1 or list(self.edges) != sorted(set(self.edges)):
            raise DataError("A histogram needs rising edges and one count more than edges; declare it anew.")

    def add(self, values: np.ndarray) -> "Histogram":
        """With more visits; ``values`` are finite numbers of any shape. Raises `DataError` otherwise."""
        values = np.asarray(values, np.float64).ravel()
        if not values.size:
            return self
        if not np.isfinite(values).all():
            raise DataError("A visited factor is NaN or infinite; drop that visit or mend its scenario.")
        new = np.bincount(np.searchsorted(self.edges, values, side="right"), minlength=len(self.counts))
        batch = Histogram(self.edges, tuple(map(int, new)), float(values.min()), float(values.max()))
        return self.merge(batch)

    def merge(self, other: "Histogram") -> "Histogram":
        """The visits of both. Raises `DataError` where the edges differ."""
        if self.edges != other.edges:
            raise DataError("Two histograms with different edges cannot be merged; declare the same edges.")
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return Histogram(self.edges, counts, _pick(min, self.least, other.least), _pick(max, self.most, other.most))

    def share(self, low: float, high: float) -> tuple[float, float]:
        """Least and greatest possible share of visits with ``low <= value <= high``."""
        total = sum(self.counts)
        if total == 0 or self.least is None or self.most is None:
            return 0.0, 0.0
        surely = possibly = 0
        for i, count in enumerate(self.counts):
            bottom, top, closed = self._reach(i)
            surely += count * (low <= bottom and top <= high)
            possibly += count * (bottom <= high and (low < top or (closed and low == top)))
        return surely / total, possibly / total

    def _reach(self, i: int) -> tuple[float, float, bool]:
        """Where the visits of bin i lie: from, to, and whether the upper end itself may have been visited."""
        bottom = max(self.least, self.edges[i - 1]) if i else self.least
        if i == len(self.edges) or self.most < self.edges[i]:
            return bottom, self.most, True
        return bottom, self.edges[i], False


@dataclasses.dataclass(frozen=True)
class Cells:
    """Cells of quantised observations: ``visits`` maps a cell's hash (16 hexadecimal digits) to its visits.

    ``quantisation`` maps an observation's name to the side of its cells, in that observation's unit. At most ``keep``
    cells stay, those with the smallest hashes; ``total`` counts all visits, also those of cells that went.
    """

    quantisation: Mapping[str, float]
    visits: Mapping[str, int] = dataclasses.field(default_factory=dict)
    total: int = 0
    keep: int = KEEP

    @property
    def complete(self) -> bool:
        """Whether no visited cell had to go."""
        return sum(self.visits.values()) == self.total

    def add(self, observations: Mapping[str, np.ndarray]) -> "Cells":
        """With a batch of visits: name -> array (B, ...). Raises `DataError` where a quantised observation lacks."""
        hashes, counts = np.unique(hash_cells(observations, self.quantisation), return_counts=True)
        batch = {str(h): int(n) for h, n in zip(hashes, counts, strict=True)}
        return self._with(batch, sum(batch.values()))

    def merge(self, other: "Cells") -> "Cells":
        """The visits of both. Raises `DataError` where they were quantised or cut differently."""
        if dict(self.quantisation) != dict(other.quantisation) or self.keep != other.keep:
            raise DataError("Two sketches with different cells cannot be merged; quantise and keep alike.")
        return self._with(other.visits, other.total)

    def share(self, hashes: Sequence[str]) -> tuple[float, float]:
        """Least and greatest possible share of visits in the cells with these hashes."""
        if self.total == 0:
            return 0.0, 0.0
        surely = sum(self.visits.get(h, 0) for h in set(hashes))
        gone = 0 if self.complete else self.total - sum(self.visits.values())
        beyond = max(self.visits, default="")
        # A cell below the greatest hash that stayed would be here if it had been visited.
        possibly = surely + (gone if any(h > beyond for h in hashes) else 0)
        return surely / self.total, possibly / self.total

    def _with(self, more: Mapping[str, int], total: int) -> "Cells":
        visits = dict(self.visits)
        for name, count in more.items():
            visits[name] = visits.get(name, 0) + count
        kept = {name: visits[name] for name in sorted(visits)[: self.keep]}
        return dataclasses.replace(self, visits=kept, total=self.total + total)


@dataclasses.dataclass(frozen=True)
class Visits:
    """What was visited: a histogram for each declared factor, and cells where observations are quantised."""

    factors: Mapping[str, Histogram] = dataclasses.field(default_factory=dict)
    cells: Cells | None = None

    def add(self, factors: Mapping[str, np.ndarray], observations: Mapping[str, np.ndarray] | None = None) -> "Visits":
        """With a batch of visits. Raises `DataError` where a declared factor lacks."""
        if lacking := sorted(set(self.factors) - set(factors)):
            raise DataError(f"A batch of visits lacks the factors {lacking}; give every declared factor.")
        histograms = {name: histogram.add(factors[name]) for name, histogram in self.factors.items()}
        cells = self.cells.add(observations) if self.cells is not None and observations is not None else self.cells
        return Visits(histograms, cells)

    def merge(self, other: "Visits") -> "Visits":
        """The visits of both. Raises `DataError` where they were declared differently."""
        if set(self.factors) != set(other.factors) or (self.cells is None) != (other.cells is None):
            raise DataError("Two sketches of different factors or cells cannot be merged; declare them alike.")
        factors = {name: histogram.merge(other.factors[name]) for name, histogram in self.factors.items()}
        cells = self.cells.merge(other.cells) if self.cells is not None and other.cells is not None else None
        return Visits(factors, cells)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, for ``fields["visited"]`` of a manifest."""
        found: dict[str, Any] = {"factors": {name: _written(item) for name, item in self.factors.items()}}
        if self.cells is not None:
            names = sorted(self.cells.visits)
            found["cells"] = {
                "quantisation": dict(self.cells.quantisation),
                "hashes": names,
                "counts": [self.cells.visits[name] for name in names],
                "total": self.cells.total,
                "keep": self.cells.keep,
            }
        return found


@dataclasses.dataclass(frozen=True)
class Overlap:
    """The share of visits that lies in a region is between ``low`` and ``high``; ``unknown`` names what lacks."""

    low: float
    high: float
    unknown: tuple[str, ...] = ()

    @property
    def none(self) -> bool:
        """Whether no visit can lie in the region."""
        return self.high == 0.0

    @property
    def undecided(self) -> bool:
        """Whether the record is too poor to tell."""
        return not self.none and self.low == 0.0 and bool(self.unknown)

    def sentence(self) -> str:
        """The share in words."""
        if self.none:
            return "none of its visits lie in the region"
        if self.undecided:
            return f"its visits record no {', '.join(self.unknown)}, so their overlap with the region is not known"
        if self.high - self.low < 0.0005:
            return f"{self.high:.1%} of its visits lie in the region"
        return f"{self.low:.1%} to {self.high:.1%} of its visits lie in the region"


def declare(
    factors: Mapping[str, Sequence[float]] = {}, quantisation: Mapping[str, float] | None = None, keep: int = KEEP
) -> Visits:
    """An empty sketch: the edges of each factor's bins, and the side of the cells of each quantised observation."""
    histograms = {name: _empty(edges) for name, edges in factors.items()}
    return Visits(histograms, None if quantisation is None else Cells(dict(quantisation), keep=keep))


def from_json(data: Mapping[str, Any]) -> Visits:
    """Read what `Visits.to_json` wrote. Raises `DataError` for anything else."""
    try:
        factors = {name: _histogram(item) for name, item in data.get("factors", {}).items()}
        return Visits(factors, _cells(data["cells"]) if "cells" in data else None)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"A record of visits cannot be read ({error}); record it with diorama.registry.visits."
        ) from error


def overlap(visited: Mapping[str, Any] | None, region: Mapping[str, Any]) -> Overlap:
    """The share of a policy's recorded visits (``fields["visited"]``, None where not recorded) in a region.

    Shares of several factors combine as Frechet's bounds say: nothing is assumed about how they went together.
    """
    if region.get("everywhere"):
        return Overlap(1.0, 1.0)
    if visited is None:
        return Overlap(0.0, 1.0, ("visited region",))
    visits = from_json(visited)
    asked = [(name, *visits.factors[name].share(*bounds)) for name, bounds in _known_factors(visits, region)]
    if "cells" in region and visits.cells is not None:
        asked.append(("cells", *visits.cells.share(region["cells"])))
    unknown = sorted(_wanted(region) - {name for name, _, _ in asked})
    low = max(0.0, sum(low for _, low, _ in asked) - (len(asked) - 1)) if asked and not unknown else 0.0
    return Overlap(low, min((high for _, _, high in asked), default=1.0), tuple(unknown))


def hash_cells(observations: Mapping[str, np.ndarray], quantisation: Mapping[str, float]) -> list[str]:
    """The hash of the cell of each observation in a batch: 16 hexadecimal digits of SHA-256.

    Integer cells are hashed as little-endian int64, names in sorted order, so that every machine agrees.
    """
    if lacking := sorted(set(quantisation) - set(observations)):
        raise DataError(f"A batch of visits lacks the observations {lacking}, which its cells need; give them.")
    columns = [_quantised(np.asarray(observations[name]), quantisation[name]) for name in sorted(quantisation)]
    rows = np.ascontiguousarray(np.concatenate(columns, axis=1))
    unique, places = np.unique(rows, axis=0, return_inverse=True)
    hashes = [hashlib.sha256(row.tobytes()).hexdigest()[:16] for row in unique]
    return [hashes[place] for place in places.ravel()]


def _quantised(values: np.ndarray, side: float) -> np.ndarray:
    flat = values.reshape(len(values), -1).astype(np.float64)
    if not np.isfinite(flat).all():
        raise DataError("A visited observation is NaN or infinite; drop that visit or mend its world.")
    return np.floor(flat / side).astype("<i8")


def _known_factors(visits: Visits, region: Mapping[str, Any]) -> list[tuple[str, tuple[float, float]]]:
    return [(n, (float(b[0]), float(b[1]))) for n, b in region.get("factors", {}).items() if n in visits.factors]


def _wanted(region: Mapping[str, Any]) -> set[str]:
    """What a region asks of a record; an empty region asks for something that no record has."""
    names = set(region.get("factors", {})) | ({"cells"} if "cells" in region else set())
    return names or {"region"}


def _pick(choose: Any, a: float | None, b: float | None) -> float | None:
    return choose((value for value in (a, b) if value is not None), default=None)


def _empty(edges: Sequence[float]) -> Histogram:
    return Histogram(tuple(map(float, edges)), (0,) * (len(edges) + 1))


def _written(histogram: Histogram) -> dict[str, Any]:
    return {
        "edges": list(histogram.edges),
        "counts": list(histogram.counts),
        "least": histogram.least,
        "most": histogram.most,
    }


def _histogram(data: Mapping[str, Any]) -> Histogram:
    edges, counts = tuple(map(float, data["edges"])), tuple(map(int, data["counts"]))
    least, most = data.get("least"), data.get("most")
    # A record without extremes reaches as far as its outer bins do.
    reach = (-np.inf, np.inf) if any(counts) else (None, None)
    extremes = tuple(end if value is None else float(value) for value, end in zip((least, most), reach, strict=True))
    return Histogram(edges, counts, *extremes)


def _cells(data: Mapping[str, Any]) -> Cells:
    hashes = list(data["hashes"])
    visits = dict(zip(hashes, map(int, data.get("counts", [1] * len(hashes))), strict=True))
    total = int(data.get("total", sum(visits.values())))
    return Cells(dict(data["quantisation"]), visits, total, int(data.get("keep", max(KEEP, len(visits)))))
