"""Which starts of an evaluation are in a training set: equal, or nearer than chance allows.

Near is a matter of degree, so thresholds are set from the training set itself: with honest starts from the same
distribution, the expected number of near pairs is `CHANCE` for each comparison. For starts this extrapolates the
distances among training starts to small ones, P(distance < r) ~ r^D (the correlation integral of Grassberger &
Procaccia 1983). For motions and pictures it extrapolates the tail of the likeness among training episodes as
exponential (the excess over a high quantile; Pickands 1975 with shape 0). Where chance alone makes equal sketches
likely, such as pictures that are all nearly white, they tell nothing, and nothing is told by them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

from diorama.evaluate.audit.facts import Item

CHANCE = 1e-4
"""Expected number of near pairs between an honest set of starts and a training set, as extrapolated.

Few training starts near the edges of their region make that two to three times too small.
"""
MOTION = 0.6
"""Least similarity of near motions."""
PICTURE = 10
"""Most different bits of near pictures, whatever chance would allow."""
RADIUS = 0.05
"""Greatest distance of near starts, in ranges of the training starts."""
_SAMPLE, _SKETCHES, _QUANTILE, _FEW, _TINY = 1000, 400, 0.01, 10, 1e-7


@dataclass(frozen=True)
class Match:
    """A start of the evaluation, what it is alike in the training set, how, and how far apart they are (0: equal)."""

    left: Item
    right: Item
    how: str
    distance: float = 0.0


@dataclass(frozen=True)
class Thresholds:
    """Expected chance pairs; greatest start distance, least motion similarity, most different bits; None: from chance.

    A start distance is the largest difference of an entry, in units of that entry's range over the training set.
    """

    chance: float = CHANCE
    radius: float | None = None
    motion: float | None = None
    picture: int | None = None


def match_items(
    items: Sequence[Item], training: Sequence[Item], thresholds: Thresholds | None = None
) -> tuple[Match, ...]:
    """Every start of ``items`` that is in ``training``, by its strongest likeness: equal episode, start, near ones."""
    thresholds = thresholds or Thresholds()
    ways = (_equal(items, training), _starts(items, training, thresholds))
    sketches = (_motions(items, training, thresholds), _pictures(items, training, thresholds))
    best: dict[int, Match] = {}
    for way in (*ways, *sketches):
        for place, match in way:
            best.setdefault(place, match)
    return tuple(best[place] for place in sorted(best))


def _equal(items: Sequence[Item], training: Sequence[Item]) -> Iterator[tuple[int, Match]]:
    known = {item.exact: item for item in training if item.exact}
    for place, item in enumerate(items):
        if item.exact in known:
            yield place, Match(item, known[item.exact], "same episode")


def _starts(items: Sequence[Item], training: Sequence[Item], thresholds: Thresholds) -> Iterator[tuple[int, Match]]:
    for space in sorted({(item.space, len(item.start)) for item in training if item.start}):
        places = [k for k, item in enumerate(items) if (item.space, len(item.start)) == space]
        known = [item for item in training if (item.space, len(item.start)) == space]
        if not places:
            continue
        theirs = np.array([item.start for item in known], np.float64)
        ours = np.array([items[k].start for k in places], np.float64)
        span = np.ptp(theirs, axis=0)
        scale = np.where(span > 0, span, 1.0)
        radius = start_radius(theirs, len(ours), thresholds.chance) if thresholds.radius is None else thresholds.radius
        distances, nearest = cKDTree(theirs / scale).query(ours / scale, p=np.inf)
        for k, distance, index in zip(places, distances, nearest, strict=True):
            if distance <= max(radius, _TINY):
                how = "same start" if distance <= _TINY else f"near start (distance {distance:.2g} <= {radius:.2g})"
                yield k, Match(items[k], known[int(index)], how, float(distance))


def start_radius(starts: np.ndarray, count: int, chance: float = CHANCE) -> float:
    """The distance within which ``chance`` pairs of ``count`` honest and the training ``starts`` [N, D] are expected.

    In ranges of each entry, largest entry; 0 where there are too few starts to tell.
    """
    span = np.ptp(starts, axis=0)
    free = span > 0
    if len(starts) < _FEW or not free.any():
        return 0.0
    unique = np.unique(starts[:, free] / span[free], axis=0)
    some = unique[np.random.default_rng(0).permutation(len(unique))[:_SAMPLE]]
    if len(some) < _FEW:
        return 0.0
    distances = pdist(some, "chebyshev")
    share = max(_QUANTILE, min(1.0, 20 / len(distances)))
    pairs = len(starts) * count
    shrink = min(1.0, chance / (pairs * share)) ** (1.0 / int(free.sum()))
    return float(min(RADIUS, np.quantile(distances, share) * shrink))


def _motions(items: Sequence[Item], training: Sequence[Item], thresholds: Thresholds) -> Iterator[tuple[int, Match]]:
    known = [item for item in training if item.motion]
    if not known:
        return
    table = _words([item.motion for item in known], ">u4")
    places = [k for k, item in enumerate(items) if len(item.motion) == 4 * 2 * table.shape[1]]
    if not places:
        return
    limit = motion_limit(table, len(places), thresholds.chance) if thresholds.motion is None else thresholds.motion
    for k in places:
        alike = (table == _words([items[k].motion], ">u4")).mean(axis=1)
        best = int(alike.argmax())
        if alike[best] >= limit:
            how = f"near motion (similarity {alike[best]:.2f})"
            yield k, Match(items[k], known[best], how, 1 - float(alike[best]))


def _pictures(items: Sequence[Item], training: Sequence[Item], thresholds: Thresholds) -> Iterator[tuple[int, Match]]:
    for camera in sorted({name for item in training for name in item.percept}):
        places = [k for k, item in enumerate(items) if camera in item.percept]
        known = [item for item in training if camera in item.percept]
        if not places:
            continue
        table = _words([item.percept[camera] for item in known], ">u8")[:, 0]
        least = picture_limit(table, len(places), thresholds.chance)
        limit = least if thresholds.picture is None else thresholds.picture
        for k in places:
            bits = np.bitwise_count(table ^ _words([items[k].percept[camera]], ">u8")[0, 0])
            best = int(bits.argmin())
            if bits[best] <= limit:
                yield k, Match(items[k], known[best], f"near picture ({bits[best]} of 64 bits differ)", bits[best] / 64)


def motion_limit(sketches: np.ndarray, count: int, chance: float = CHANCE) -> float:
    """The similarity from which ``chance`` pairs of ``count`` honest motions and ``sketches`` [N, W] are expected.

    At least 0.6; above 1 where motions tell nothing.
    """
    some = np.unique(sketches[:_SKETCHES], axis=0)
    if _repeated(some, sketches):
        return float("inf")
    alike = np.concatenate([(some[k + 1 :] == some[k]).mean(axis=1) for k in range(len(some) - 1)])
    return max(MOTION, _tail(alike, chance / (len(sketches) * count)))


def picture_limit(hashes: np.ndarray, count: int, chance: float = CHANCE) -> int:
    """The number of different bits up to which ``chance`` pairs of ``count`` honest pictures and ``hashes`` [N] match.

    At most 10; below 0 where pictures tell nothing.
    """
    some = np.unique(hashes[:_SKETCHES])
    if _repeated(some, hashes):
        return -1
    first, second = np.triu_indices(len(some), 1)
    bits = np.bitwise_count(some[first] ^ some[second]).astype(np.float64)
    return int(min(PICTURE, np.floor(-_tail(-bits, chance / (len(hashes) * count)))))


def _repeated(unique: np.ndarray, every: np.ndarray) -> bool:
    """Whether sketches are too few, or so often equal, that likeness tells nothing."""
    return len(unique) < max(_FEW, 0.9 * min(len(every), _SKETCHES))


def _tail(values: np.ndarray, probability: float) -> float:
    """The value that is exceeded with this small probability, by an exponential tail over the 0.99 quantile."""
    start = float(np.quantile(values, 1 - _QUANTILE))
    excess = values[values > start] - start
    scale = float(excess.mean()) if excess.size else 0.0
    return start + scale * float(np.log(max(1.0, _QUANTILE / probability)))


def _words(texts: Sequence[str], dtype: str) -> np.ndarray:
    """Hexadecimal texts of one length as a table of words [N, W]."""
    return np.frombuffer(bytes.fromhex("".join(texts)), dtype).reshape(len(texts), -1)
