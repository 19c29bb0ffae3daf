"""Collision-free ways around the T block: a visibility graph over places fixed in the block's frame."""

import functools
from dataclasses import dataclass

import numpy as np

from diorama.envs.pusht.scripted_pushes import (
    AGENT_RADIUS,
    CENTRE_OF_GRAVITY,
    CONVEX_CORNERS,
    OUTLINE,
    push_table,
    rotate,
    signed_distance,
)

MARGIN = 2.5
CORNER_CLEARANCE = 10.0
TABLE_LOW, TABLE_HIGH = 6.0, 506.0
_SAMPLES = np.linspace(0.0, 1.0, 48)


def _clear(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether an agent can go straight from start [..., 2] to end [..., 2] (block's frame, px).

    An agent that starts in contact with the block may leave it, but not run along it or through it.
    """
    span = end - start
    points = start[..., None, :] + _SAMPLES[:, None] * span[..., None, :]
    distance = signed_distance(points)
    travelled = _SAMPLES * np.linalg.norm(span, axis=-1)[..., None]
    needed = np.minimum(AGENT_RADIUS + MARGIN, distance[..., :1] - 0.3 + 0.4 * travelled)
    return (distance >= needed).all(-1)


@dataclass(frozen=True, eq=False)
class Roadmap:
    """Places and the straight ways between them, in px.

    ``place`` [N, 2] in the block's frame, first the push table's starts; ``way`` [N, N] their distances, infinite where
    the straight way is not clear.
    """

    place: np.ndarray
    way: np.ndarray


@functools.cache
def roadmap() -> Roadmap:
    """The roadmap, computed at its first use and kept."""
    previous, following = np.roll(OUTLINE, 1, 0), np.roll(OUTLINE, -1, 0)
    outward = np.sign(2 * OUTLINE - previous - following)[CONVEX_CORNERS] / np.sqrt(2.0)
    corner = OUTLINE[CONVEX_CORNERS] + (AGENT_RADIUS + CORNER_CLEARANCE) * outward
    place = np.concatenate([push_table().start, corner])
    clear = _clear(place[:, None], place[None])
    length = np.linalg.norm(place[:, None] - place[None], axis=-1)
    return Roadmap(place, np.where(clear & clear.T, length, np.inf))


def relax(first: np.ndarray, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shortest lengths [N] from the agent to each place, and each place's predecessor [N] (-1: the agent itself).

    ``first`` [N] are the lengths of the agent's own straight ways, ``way`` [N, N] those between places.
    """
    length, predecessor = first, np.full(len(first), -1)
    for _ in range(8):
        through = length[:, None] + way
        best = through.argmin(0)
        candidate = through[best, np.arange(len(best))]
        if not (candidate < length - 1e-6).any():
            break
        predecessor = np.where(candidate < length - 1e-6, best, predecessor)
        length = np.minimum(candidate, length)
    return length, predecessor


@dataclass(frozen=True, eq=False)
class Ways:
    """An agent's shortest ways at one moment: ``place`` [N, 2] in the world and ``length`` [N], in px.

    The length is infinite where a place cannot be reached; ``predecessor`` [N] is the place before it, -1 the agent.
    """

    place: np.ndarray
    length: np.ndarray
    predecessor: np.ndarray

    def waypoint(self, goal: int) -> np.ndarray:
        """The place [2] to head for first on the way to place ``goal``."""
        for _ in range(len(self.place)):
            if self.predecessor[goal] < 0:
                break
            goal = int(self.predecessor[goal])
        return self.place[goal]


def ways(pose: np.ndarray, agent: np.ndarray) -> Ways:
    """Shortest ways of an ``agent`` [2] around a block at ``pose`` [3] (of the centre of gravity), inside the walls."""
    graph = roadmap()
    place = pose[:2] + rotate(graph.place - CENTRE_OF_GRAVITY, pose[2])
    inside = ((place > TABLE_LOW) & (place < TABLE_HIGH)).all(-1)
    local = rotate(agent - pose[:2], -pose[2]) + CENTRE_OF_GRAVITY
    distance = np.linalg.norm(graph.place - local, axis=-1)
    clear = _clear(np.broadcast_to(local, graph.place.shape), graph.place) & inside
    if not clear.any():
        clear = inside & (distance <= distance[inside].min(initial=np.inf))
    first = np.where(clear, distance, np.inf)
    way = np.where(inside[:, None] & inside[None], graph.way, np.inf)
    return Ways(place, *relax(first, way))
