"""Names for failures: seven seeds of manipulation, and free labels.

The seeds are those of AHA / FailGen (arXiv 2410.00371): incomplete grasp, slip, translation error, rotation error,
missing rotation, wrong order, wrong target. A task maps them by rules on what an episode ended with; a cluster is
called after the seed that most of its episodes have.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from diorama.core import Trajectory

SEEDS = (
    "incomplete grasp",
    "slip",
    "translation error",
    "rotation error",
    "missing rotation",
    "wrong order",
    "wrong target",
)
UNNAMED = "unnamed"


@dataclass(frozen=True)
class Rule:
    """A label, the seed that it stands for (or "" for one of the task's own), and when it holds.

    ``holds(endings)`` takes the features of episodes by name [N] and gives bool [N]. ``doc`` says it in words.
    """

    label: str
    seed: str
    doc: str
    holds: Callable[[Mapping[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Ways:
    """How episodes of a task fail.

    ``endings``: trajectories ``[N, ...]`` to features by name [N]; ``phases``: features to the last phase that each
    episode reached, by name [N]; ``rules``: the first that holds names a failure.
    """

    endings: Callable[[Trajectory], Mapping[str, np.ndarray]]
    phases: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Mode:
    """A way to fail: its label, the seed of the taxonomy, how many episodes show it, and seeds of a few of them.

    ``stability``: how surely its cluster would be found again (adjusted Rand index). ``share``: of its episodes that
    the label fits.
    """

    label: str
    seed: str
    episodes: tuple[int, ...]
    share: float
    stability: float


def labelled(endings: Mapping[str, np.ndarray], rules: Sequence[Rule]) -> np.ndarray:
    """The label of each episode [N]: that of the first rule that holds, else ``unnamed``."""
    count = len(next(iter(endings.values())))
    found = np.full(count, UNNAMED, object)
    for rule in reversed(rules):
        found[np.asarray(rule.holds(endings), bool)] = rule.label
    return found


def modes_of(
    seeds: np.ndarray, label: np.ndarray, cluster: np.ndarray, rules: Sequence[Rule], stability: float
) -> list[Mode]:
    """One mode for each cluster of failures [N], the most frequent first, called after the label that most have.

    Clusters of the same label are one mode: the label, not the number of clusters, is what people can act on. Where
    there is one cluster alone, each failure goes by its own label.
    """
    seed_of = {rule.label: rule.seed for rule in rules}
    named = np.full(len(label), UNNAMED, object)
    if len(np.unique(cluster)) == 1:
        named = np.asarray(label, object)
    for number in np.unique(cluster) if len(np.unique(cluster)) > 1 else ():
        names, counts = np.unique(label[cluster == number].astype(str), return_counts=True)
        named[cluster == number] = names[counts.argmax()]
    found = []
    for name in np.unique(named.astype(str)):
        rows = np.flatnonzero(named == name)
        share = float((label[rows] == name).mean())
        episodes = tuple(int(s) for s in np.asarray(seeds)[rows])
        found.append(Mode(str(name), seed_of.get(str(name), ""), episodes, share, stability))
    return sorted(found, key=lambda mode: (-len(mode.episodes), mode.label))
