"""First poses of Push-T as gym-pusht draws them, for every world that shall start where reality starts."""

import numpy as np

from diorama.envs.pusht.geometry import UNIT_CENTRE, place

Regions = dict[str, np.ndarray]
REGIONS = ("agent_low", "agent_high", "block_low", "block_high")
"""The factors of variation that say where starts may lie."""


def drawn_starts(seeds: np.ndarray, regions: Regions) -> np.ndarray:
    """What gym-pusht draws, [N, 5]: agent x, y, block x, y in whole pixels, block angle [rad].

    ``regions`` holds the factors `REGIONS`, each [N, 2]. The generator is the one that Gymnasium seeds. The angle is
    about the centre of gravity, so that the block's origin ends elsewhere: `settled`.
    """
    corners = np.stack([regions[name] for name in REGIONS], axis=1).astype(np.int64).tolist()
    return np.stack([_drawn(int(seed), region) for seed, region in zip(seeds, corners, strict=True)])


def settled(drawn: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Where those starts lie, [N, 5] as in the observation ``state``: the tee is turned about its centre of gravity.

    ``scale`` [N] is that of the blocks [px]. gym-pusht makes one substep more, which moves only blocks that overlap the
    agent or a wall.
    """
    scale = np.broadcast_to(np.asarray(scale, np.float64), len(drawn))
    centre = np.array([UNIT_CENTRE])
    level, turned = (place(centre, np.zeros(2), angle, scale)[:, 0] for angle in (np.zeros(len(drawn)), drawn[:, 4]))
    return np.column_stack([drawn[:, 0:2], drawn[:, 2:4] + level - turned, drawn[:, 4]])


def _drawn(seed: int, region: list[list[int]]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    agent_low, agent_high, block_low, block_high = region
    agent = [int(rng.integers(low, high)) for low, high in zip(agent_low, agent_high, strict=True)]
    block = [int(rng.integers(low, high)) for low, high in zip(block_low, block_high, strict=True)]
    return np.array([*agent, *block, rng.uniform(-np.pi, np.pi)])
