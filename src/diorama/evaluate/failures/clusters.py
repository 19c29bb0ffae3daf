"""Groups of failures that end alike, and whether they would be found again.

Ward's hierarchical clustering of standardised features (SciPy). The stability of a number of clusters is the adjusted
Rand index (Hubert and Arabie 1985, Journal of Classification 2) between the clustering and those of bootstrap samples,
extended to all points by the nearest centre (Ben-Hur et al. 2002; Hennig 2007, "Cluster-wise assessment of cluster
stability").
"""

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist

from diorama.core.errors import ConfigError

STABLE = 0.75
"""Mean adjusted Rand index from which on a clustering is called stable."""
RESAMPLES = 50


@dataclass(frozen=True, eq=False)
class Clusters:
    """``label`` [N] from 0, the largest cluster first, and ``stability``: the mean adjusted Rand index.

    [``low``, ``high``] holds 95 % of the resamples. ``tried``: the stability of each number of clusters.

    Where no number of clusters from 2 on is stable there is one cluster of all, with a stability of 1.
    """

    label: np.ndarray
    stability: float
    low: float
    high: float
    tried: dict[int, float]

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return int(self.label.max(initial=-1)) + 1


def cluster(features: np.ndarray, *, most: int = 6, least: int = 3, seed: int = 0) -> Clusters:
    """Cluster rows ``[N, F]`` into the most stable number of clusters up to ``most``, none smaller than ``least``.

    Raises `ConfigError` for features that are not finite or no matrix.
    """
    rows = np.asarray(features, np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ConfigError(f"Clustering needs finite features [N, F], got shape {rows.shape}.")
    rows = _standardised(rows)
    tried, best = {}, Clusters(np.zeros(len(rows), int), 1.0, 1.0, 1.0, {})
    for count in range(2, most + 1):
        label = _labels(rows, count) if len(rows) >= count * least else None
        if label is None or np.bincount(label).min() < least:
            continue
        indices = _resampled(rows, label, count, np.random.default_rng([seed, count]))
        tried[count] = float(indices.mean())
        if tried[count] >= STABLE and (best.count == 1 or tried[count] > best.stability):
            best = Clusters(label, tried[count], *(float(q) for q in np.quantile(indices, (0.025, 0.975))), {})
    return Clusters(_by_size(best.label), best.stability, best.low, best.high, tried)


def adjusted_rand(first: np.ndarray, second: np.ndarray) -> float:
    """Agreement of two partitions [N], corrected for chance: 1 where they are equal, 0 on average where unrelated."""
    _, one = np.unique(np.asarray(first), return_inverse=True)
    _, two = np.unique(np.asarray(second), return_inverse=True)
    table = np.zeros((one.max(initial=0) + 1, two.max(initial=0) + 1))
    np.add.at(table, (one, two), 1)
    together, rows, columns = (_pairs(part).sum() for part in (table, table.sum(axis=1), table.sum(axis=0)))
    total = len(one) * (len(one) - 1) / 2
    expected = rows * columns / total if total else 0.0
    most = (rows + columns) / 2
    return 1.0 if most == expected else float((together - expected) / (most - expected))


def _pairs(counts: np.ndarray) -> np.ndarray:
    return counts * (counts - 1) / 2


def _standardised(rows: np.ndarray) -> np.ndarray:
    std = rows.std(axis=0)
    return (rows - rows.mean(axis=0)) / np.where(std < 1e-9, 1.0, std)


def _labels(rows: np.ndarray, count: int) -> np.ndarray:
    return fcluster(linkage(rows, "ward"), count, "maxclust") - 1


def _resampled(rows: np.ndarray, label: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The index of each bootstrap sample's clustering against ``label``."""
    found = []
    for _ in range(RESAMPLES):
        drawn = rows[rng.integers(0, len(rows), len(rows))]
        again = _labels(drawn, count)
        centres = np.stack([drawn[again == number].mean(axis=0) for number in np.unique(again)])
        found.append(adjusted_rand(label, cdist(rows, centres).argmin(axis=1)))
    return np.array(found)


def _by_size(label: np.ndarray) -> np.ndarray:
    names, counts = np.unique(label, return_counts=True)
    order = names[np.argsort(-counts, kind="stable")]
    return (
        np.searchsorted(np.sort(order), label) if not len(order) else np.argsort(order)[np.searchsorted(names, label)]
    )
