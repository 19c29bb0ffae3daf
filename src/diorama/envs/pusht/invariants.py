"""The laws of Push-T, as predicates of the observation ``features`` or ``state``: no world of it may break them.

Nothing is fitted to a world here. The tolerances lie above the largest excess in scripted play and demonstrations in
gym-pusht (`tests/envs/test_pusht_invariants.py` measures them again).
"""

from collections.abc import Mapping

import numpy as np

from diorama.core.errors import SpecError
from diorama.core.invariant import Invariant
from diorama.envs.pusht.geometry import DEFAULT_SCALE, TABLE, UNIT_BOXES, outline
from diorama.envs.pusht.physics import DEFAULT_RADIUS

Seen = Mapping[str, np.ndarray]
_PATH = np.linspace(0.0, 1.0, 6)
REACH = 8.0
"""How far [px] beyond its radius the agent may be and still have touched the block between two observations."""
LEVERAGE = 3.0
"""The farthest corner of the block moves at most so many times as far as the agent did."""


def poses(seen: Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Agent [..., 2], block [..., 2] and angle [...] of observations ``features`` or ``state``; raises `SpecError`."""
    if "features" in seen:
        rows = np.asarray(seen["features"], np.float64)
        return rows[..., 0:2], rows[..., 4:6], np.arctan2(rows[..., 7], rows[..., 6])
    if "state" in seen:
        rows = np.asarray(seen["state"], np.float64)
        return rows[..., 0:2], rows[..., 2:4], rows[..., 4]
    raise SpecError("Push-T's laws read the observation 'features' or 'state'; show one of them.")


def _distance(point: np.ndarray, block: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """From points [..., 2] to the tee [px], negative inside of it."""
    cosine, sine = np.cos(angle), np.sin(angle)
    away = point - block
    local = np.stack(
        [cosine * away[..., 0] + sine * away[..., 1], cosine * away[..., 1] - sine * away[..., 0]], axis=-1
    )
    boxes = UNIT_BOXES * DEFAULT_SCALE
    found = []
    for low, high in boxes:
        outside = np.maximum(np.maximum(low - local, local - high), 0.0)
        inside = np.minimum(local - low, high - local).min(axis=-1)
        far = np.linalg.norm(outside, axis=-1)
        found.append(np.where(far > 0, far, -inside))
    return np.minimum(*found)


def clearance(agent: np.ndarray, block: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """The gap between agent [..., 2] and tee [px], both of the default size; negative where they overlap."""
    return _distance(agent, block, angle) - DEFAULT_RADIUS


def _apart(before: Seen, after: Seen) -> np.ndarray:
    """The least distance [px] between the agent's path and the tee before the step."""
    agent, block, angle = poses(before)
    there, later, turned = poses(after)
    path = agent[..., None, :] + _PATH[:, None] * (there - agent)[..., None, :]
    return np.minimum(
        _distance(path, block[..., None, :], angle[..., None]).min(axis=-1),
        _distance(path, later[..., None, :], turned[..., None]).min(axis=-1),
    )


def _moved(before: Seen, after: Seen) -> np.ndarray:
    """How far the corner of the block that moved farthest did [px]."""
    (_, block, angle), (_, later, turned) = poses(before), poses(after)
    corners = outline(later, turned, DEFAULT_SCALE) - outline(block, angle, DEFAULT_SCALE)
    return np.linalg.norm(corners, axis=-1).max(axis=-1)


def _untouched(before: Seen, action: np.ndarray, after: Seen) -> np.ndarray:
    """How far the block moved [px] though the agent was nowhere near it."""
    return np.where(_apart(before, after) > DEFAULT_RADIUS + REACH, _moved(before, after), 0.0)


def _free_energy(before: Seen, action: np.ndarray, after: Seen) -> np.ndarray:
    """How much farther the block moved [px] than the agent's own path could drive it."""
    path = np.linalg.norm(poses(after)[0] - poses(before)[0], axis=-1)
    return np.maximum(_moved(before, after) - LEVERAGE * path, 0.0)


def _penetration(before: Seen, action: np.ndarray, after: Seen) -> np.ndarray:
    """How deep the agent is in the block [px]."""
    return np.maximum(-clearance(*poses(after)), 0.0)


def _off_table(before: Seen, action: np.ndarray, after: Seen) -> np.ndarray:
    """How far a corner of the block is outside of the table [px]."""
    _, block, angle = poses(after)
    corners = outline(block, angle, DEFAULT_SCALE)
    return np.maximum(np.maximum(-corners, corners - TABLE).max(axis=(-1, -2)), 0.0)


def _heading(before: Seen, action: np.ndarray, after: Seen) -> np.ndarray:
    """By how much cosine and sine of the block's angle are no direction."""
    if "features" not in after:
        return np.zeros(np.asarray(action).shape[:-1])
    return np.abs(np.linalg.norm(np.asarray(after["features"], np.float64)[..., 6:8], axis=-1) - 1.0)


INVARIANTS = (
    Invariant("no motion without touch", "px", 8.0, _untouched, "object permanence: an untouched block stays"),
    Invariant("no free energy", "px", 40.0, _free_energy, "the block moves no farther than it is driven"),
    Invariant("no penetration", "px", 32.0, _penetration, "agent and block do not overlap"),
    Invariant("on the table", "px", 110.0, _off_table, "the walls hold the block"),
    Invariant("a direction", "1", 0.2, _heading, "the block's heading has length 1"),
)
"""What `diorama.exam.exploitation` holds every world of Push-T to."""
