"""A table of what single pushes do to the T block, for the scripted Push-T policies.

Push-T's block has no friction and loses its velocity in every substep, so a push is quasi-static: the contact impulse
acts along the contact normal, moves the block by ``impulse / mass`` and turns it by ``arm x impulse / moment``. What a
push does depends only on where it starts and where it goes in the block's own frame; one table serves every pose.

A pose in this module is ``(x, y, angle)`` of the block's centre of gravity, in px and rad.
"""

import functools
from dataclasses import dataclass

import numpy as np

from diorama.envs.pusht.geometry import DEFAULT_SCALE, UNIT_BOXES, UNIT_CENTRE, UNIT_OUTLINE
from diorama.envs.pusht.physics import DEFAULT_RADIUS

AGENT_RADIUS = DEFAULT_RADIUS
CLEARANCE = 7.0
RECTANGLE_CENTRES = DEFAULT_SCALE * UNIT_BOXES.mean(1)
RECTANGLE_HALVES = DEFAULT_SCALE * (UNIT_BOXES[:, 1] - UNIT_BOXES[:, 0]) / 2
CENTRE_OF_GRAVITY = DEFAULT_SCALE * np.array(UNIT_CENTRE)
OUTLINE = DEFAULT_SCALE * UNIT_OUTLINE
# kg and kg px^2: twice the moment of a bar of 1 kg about the tee's origin, as gym-pusht has it.
MASS, MOMENT = 1.0, 3000.0
CONVEX_CORNERS = np.array([0, 1, 2, 4, 5, 7])
PUSH_LENGTH = 150
SKEWS = np.deg2rad([0.0, -20.0, 20.0, -40.0, 40.0])


def rotate(vector: np.ndarray, angle: np.ndarray | float) -> np.ndarray:
    """``vector`` [..., 2] turned by ``angle`` [...] rad."""
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y = vector[..., 0], vector[..., 1]
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], -1)


def gravity_pose(pose: np.ndarray) -> np.ndarray:
    """Push-T's block pose [3] (the bar's top in px, the angle in rad) as the pose of the centre of gravity."""
    return np.append(pose[:2] + rotate(CENTRE_OF_GRAVITY, pose[2]), pose[2])


def signed_distance(points: np.ndarray) -> np.ndarray:
    """Distance [...] (px) of points [..., 2] in the block's frame (origin: the bar's top) to the T; negative inside."""
    beyond = np.abs(points[..., None, :] - RECTANGLE_CENTRES) - RECTANGLE_HALVES
    outside = np.linalg.norm(np.maximum(beyond, 0.0), axis=-1)
    return (outside + np.minimum(beyond.max(-1), 0.0)).min(-1)


def compose(pose: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """The poses [..., 3] after ``motion`` [..., 3], given in the frame of ``pose`` [..., 3]; the two broadcast."""
    place = pose[..., :2] + rotate(motion[..., :2], pose[..., 2])
    return np.concatenate([place, (pose[..., 2] + motion[..., 2])[..., None]], -1)


def _resolve(pose: np.ndarray, agent: np.ndarray, index: int) -> np.ndarray:
    """``pose`` [K, 3] moved so that rectangle ``index`` no longer overlaps the agents [K, 2]."""
    offset = agent - pose[:, :2]
    local = rotate(offset, -pose[:, 2]) + CENTRE_OF_GRAVITY - RECTANGLE_CENTRES[index]
    beyond = np.abs(local) - RECTANGLE_HALVES[index]
    clamped = np.maximum(beyond, 0.0)
    outside = np.linalg.norm(clamped, axis=-1)
    nearest_side = np.eye(2)[beyond.argmax(-1)]
    normal = np.where(outside[:, None] > 1e-9, clamped / np.maximum(outside, 1e-9)[:, None], nearest_side)
    normal = rotate(normal * np.where(local < 0, -1.0, 1.0), pose[:, 2])
    depth = np.maximum(AGENT_RADIUS - outside - np.minimum(beyond.max(-1), 0.0), 0.0)
    arm = offset[:, 0] * normal[:, 1] - offset[:, 1] * normal[:, 0]
    impulse = depth / (1.0 / MASS + arm**2 / MOMENT)
    return pose - np.concatenate([impulse[:, None] * normal / MASS, (impulse * arm / MOMENT)[:, None]], -1)


def simulate_pushes(pose: np.ndarray, agent: np.ndarray, direction: np.ndarray, length: int) -> np.ndarray:
    """Poses [K, length, 3] of free blocks at ``pose`` [K, 3] after each px of straight pushes from ``agent`` [K, 2]."""
    poses = []
    for _ in range(length):
        agent = agent + direction
        for index in (0, 1, 0, 1):
            pose = _resolve(pose, agent, index)
        poses.append(pose)
    return np.stack(poses, 1)


def _contacts(spacing: float = 7.5) -> tuple[np.ndarray, np.ndarray]:
    """Agent centres [C, 2] a clearance off the outline, and the outward normals [C, 2], in the block's frame."""
    points, normals = [], []
    for start, end in zip(OUTLINE, np.roll(OUTLINE, -1, 0), strict=True):
        span = end - start
        count = max(int(np.linalg.norm(span) / spacing), 2)
        fraction = (np.arange(count) + 0.5) / count
        points.append(start + fraction[:, None] * span)
        normals.append(np.tile(np.array([span[1], -span[0]]) / np.linalg.norm(span), (count, 1)))
    previous, following = np.roll(OUTLINE, 1, 0), np.roll(OUTLINE, -1, 0)
    for corner in CONVEX_CORNERS:
        diagonal = 2 * OUTLINE[corner] - previous[corner] - following[corner]
        sides = np.sign(diagonal) / np.sqrt(2.0)
        for turn in np.deg2rad([-22.5, 0.0, 22.5]):
            points.append(OUTLINE[corner][None])
            normals.append(rotate(sides, turn)[None])
    point, normal = np.concatenate(points), np.concatenate(normals)
    centre = point + (AGENT_RADIUS + CLEARANCE) * normal
    reachable = signed_distance(centre) > AGENT_RADIUS + CLEARANCE - 3.0
    return centre[reachable], normal[reachable]


@dataclass(frozen=True, eq=False)
class PushTable:
    """Outcomes of pushes of a free block: C contacts, D directions, lengths of 1 to L px. Block's frame, px and rad.

    ``start`` [C, 2] holds agent centres a clearance off the outline; ``direction`` [C, D, 2] unit vectors; ``motion``
    [C, D, L, 3] the motion of the centre of gravity; ``agent`` [C, D, L, 2] the agent's place relative to the block's
    first centre of gravity.
    """

    start: np.ndarray
    direction: np.ndarray
    motion: np.ndarray
    agent: np.ndarray


@functools.cache
def push_table() -> PushTable:
    """The table, computed at its first use (about 0.2 s) and kept."""
    start, normal = _contacts()
    direction = rotate(-normal[:, None], SKEWS[None])
    contacts, directions = direction.shape[:2]
    first = np.repeat(start - CENTRE_OF_GRAVITY, directions, 0)
    flat = direction.reshape(-1, 2)
    motion = simulate_pushes(np.zeros((len(flat), 3)), first, flat, PUSH_LENGTH)
    travelled = np.arange(1, PUSH_LENGTH + 1)
    agent = first[:, None] + flat[:, None] * travelled[:, None]
    shape = (contacts, directions, PUSH_LENGTH)
    return PushTable(start, direction, motion.reshape(*shape, 3), agent.reshape(*shape, 2))
