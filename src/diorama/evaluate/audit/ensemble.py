"""How many worlds an ensemble really has: shared data and shared weights make two worlds count as less than two."""

from collections.abc import Mapping, Sequence

import numpy as np

from diorama.evaluate.audit.facts import Corpus, Party


def overlaps(worlds: Sequence[Party], corpora: Mapping[str, Corpus]) -> np.ndarray:
    """How much two worlds have in common, [W, W] in [0, 1]: 1 where one's weights went into both.

    Else the Jaccard index of the episodes of their training sets; two worlds without data have nothing in common. A
    training set whose episodes are not on record counts as one episode of its own.
    """
    episodes = [_episodes(world, corpora) for world in worlds]
    common = np.eye(len(worlds))
    for i in range(len(worlds)):
        for j in range(i):
            common[i, j] = common[j, i] = _common(worlds[i], worlds[j], episodes[i], episodes[j])
    return common


def effective_size(overlap: np.ndarray) -> float:
    """The effective number of worlds: W^2 / sum of overlaps [W, W]; W where nothing is shared, 1 where everything is.

    The order-2 diversity of equally frequent kinds with similarities (Leinster & Cobbold 2012, Ecology 93).
    """
    return float(len(overlap) ** 2 / overlap.sum()) if len(overlap) else 0.0


def structures(worlds: Sequence[Party]) -> int:
    """How many different structures there are, by the tags of their families; a world without tags is its own."""
    return len({world.family or (world.id,) for world in worlds})


def _episodes(world: Party, corpora: Mapping[str, Corpus]) -> frozenset[str]:
    known = {item.digest for one in world.training if one in corpora for item in corpora[one].items}
    return frozenset(known | {one for one in world.training if one not in corpora or not corpora[one].items})


def _common(first: Party, second: Party, ours: frozenset[str], theirs: frozenset[str]) -> float:
    if {first.id, *first.bases} & {second.id, *second.bases}:
        return 1.0
    every = ours | theirs
    return len(ours & theirs) / len(every) if every else 0.0
