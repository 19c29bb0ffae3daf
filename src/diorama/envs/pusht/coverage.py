"""How much of the goal the block covers: exact areas in NumPy, batched over worlds.

The outline of the block, seen from the goal's frame, is cut against the two boxes that make up the goal. The part of a
polygon inside a box is a sum over its edges of signed areas under the edge, with the edge's height clamped to the box:
no case distinctions, no vertex lists, continuous also where edges coincide.
"""

import math
from collections.abc import Sequence

import numpy as np

from diorama.envs.pusht.geometry import (
    DEFAULT_SCALE,
    UNIT_AREA,
    UNIT_BOXES,
    UNIT_CENTRE,
    UNIT_OUTLINE,
    UNIT_REACH,
)

REWARD_COVERAGE = 0.95
"""Coverage at which gym-pusht's reward saturates, and beyond which its episode is a success."""
_TINY = 1e-300
_CORNERS = np.concatenate([UNIT_OUTLINE, UNIT_OUTLINE[:1]]).T  # [2, 9], closed
_CORNER_LIST, _BOX_LIST = UNIT_OUTLINE.tolist(), UNIT_BOXES.reshape(2, 4).tolist()
_LOW, _HIGH = np.moveaxis(UNIT_BOXES, (1, 2), (0, 1))[..., None]  # [2 (x, y), 2 boxes, 1]


def coverage(
    block_xy: np.ndarray,
    block_angle: np.ndarray,
    goal_pose: np.ndarray,
    block_scale: np.ndarray | float = DEFAULT_SCALE,
    goal_scale: np.ndarray | float = DEFAULT_SCALE,
) -> np.ndarray:
    """Area shared by block and goal over the area of the goal, in [0, 1], float64 [...].

    ``block_xy`` [..., 2] in pixels, ``block_angle`` [...] in radians, ``goal_pose`` [..., 3] as x, y [px], angle [rad];
    scales in pixels. All broadcast. A block larger than the goal covers at most the whole of it.
    """
    position, angle = np.asarray(block_xy, np.float64), np.asarray(block_angle, np.float64)
    goal = np.asarray(goal_pose, np.float64)
    block_scale, goal_scale = np.asarray(block_scale, np.float64), np.asarray(goal_scale, np.float64)
    goal_angle, away = goal[..., 2], position - goal[..., :2]
    cosine, sine, turn, size = np.cos(goal_angle), np.sin(goal_angle), angle - goal_angle, block_scale / goal_scale
    # The block's pose as the goal sees it, in units of the goal's scale.
    right = (cosine * away[..., 0] + sine * away[..., 1]) / goal_scale
    down = (cosine * away[..., 1] - sine * away[..., 0]) / goal_scale
    turn_x, turn_y = np.cos(turn) * size, np.sin(turn) * size
    pose = np.stack(np.broadcast_arrays(right, down, turn_x, turn_y, size), -1)
    near = _near(pose)
    covered = np.zeros(near.shape)
    if near.any():
        covered[near] = _covered(pose[near])
    return covered


def coverage_of_one(
    block: Sequence[float],
    goal: Sequence[float],
    block_scale: float = DEFAULT_SCALE,
    goal_scale: float = DEFAULT_SCALE,
) -> float:
    """`coverage` of one block pose (x, y [px], angle [rad]) on one goal pose, in plain floats: fast for few worlds."""
    cosine, sine, turn, size = math.cos(goal[2]), math.sin(goal[2]), block[2] - goal[2], block_scale / goal_scale
    away_x, away_y = (block[0] - goal[0]) / goal_scale, (block[1] - goal[1]) / goal_scale
    right, down = cosine * away_x + sine * away_y, cosine * away_y - sine * away_x
    turn_x, turn_y = math.cos(turn) * size, math.sin(turn) * size
    centre = UNIT_CENTRE[1]
    if math.hypot(right - turn_y * centre, down + turn_x * centre - centre) >= UNIT_REACH * (1.0 + size):
        return 0.0
    corners = [(turn_x * x - turn_y * y + right, turn_y * x + turn_x * y + down) for x, y in _CORNER_LIST]
    area, (from_x, from_y) = 0.0, corners[-1]
    for to_x, to_y in corners:
        for low_x, low_y, high_x, high_y in _BOX_LIST:
            start, end = min(max(from_x, low_x), high_x), min(max(to_x, low_x), high_x)
            if start != end:
                across, rise = to_x - from_x, to_y - from_y
                first = from_y + rise * ((start - from_x) / across) - low_y
                last = from_y + rise * ((end - from_x) / across) - low_y
                area += (start - end) * _mean_height_of_one(first, last, high_y - low_y)
        from_x, from_y = to_x, to_y
    return min(max(area / UNIT_AREA, 0.0), 1.0)


def _mean_height_of_one(first: float, last: float, height: float) -> float:
    """`_mean_height` in plain floats."""
    below, above = (first, last) if first < last else (last, first)
    if above <= 0.0:
        return 0.0
    if below >= height:
        return height
    if below >= 0.0 and above <= height:
        return (below + above) / 2
    run = above - below
    low, high = max(below, 0.0), min(above, height)
    return ((high - low) * (low + high) / 2 + (above - high) * height) / run


def _near(pose: np.ndarray) -> np.ndarray:
    """Whether block and goal can touch at all: whether the circles about their centres do."""
    right, down, turn_x, turn_y, size = np.moveaxis(pose, -1, 0)
    centre_x = right - turn_y * UNIT_CENTRE[1] - UNIT_CENTRE[0]
    centre_y = down + turn_x * UNIT_CENTRE[1] - UNIT_CENTRE[1]
    return np.asarray(centre_x * centre_x + centre_y * centre_y < (UNIT_REACH * (1.0 + size)) ** 2)


def _covered(pose: np.ndarray) -> np.ndarray:
    """Coverage [...] for block poses [..., 5] in the goal's frame: origin, turned and scaled x axis, size."""
    right, down, turn_x, turn_y = (pose[..., i, None] for i in range(4))
    x = turn_x * _CORNERS[0] - turn_y * _CORNERS[1] + right
    y = turn_y * _CORNERS[0] + turn_x * _CORNERS[1] + down
    return np.clip(_area_in_boxes(x[..., None, :], y[..., None, :]) / UNIT_AREA, 0.0, 1.0)


def _area_in_boxes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Area [...] of closed polygons with corners ``x``, ``y`` [..., 1, K + 1] inside the tee of scale 1, box by box."""
    cut = np.minimum(np.maximum(x, _LOW[0]), _HIGH[0])
    start, end, from_x, from_y = cut[..., :-1], cut[..., 1:], x[..., :-1], y[..., :-1]
    across = x[..., 1:] - from_x
    rise, across = y[..., 1:] - from_y, across + (across == 0.0)  # an upright edge has no width inside a box
    shares = (np.minimum(np.maximum((at - from_x) / across, 0.0), 1.0) for at in (start, end))
    first, last = (from_y + rise * share - _LOW[1] for share in shares)
    return np.asarray(np.sum((start - end) * _mean_height(first, last, _HIGH[1] - _LOW[1]), (-2, -1)))


def _mean_height(first: np.ndarray, last: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Mean of clamp(y, 0, height) while y runs evenly from ``first`` to ``last``."""
    below, above = np.minimum(first, last), np.maximum(first, last)
    low, high = np.maximum(below, 0.0), np.minimum(above, height)
    run = np.maximum(above - below, _TINY)
    # Both are divided before they are clamped, so that a level edge falls on the right side of each bound.
    enter = np.minimum(np.maximum((0.0 - below) / run, 0.0), 1.0)
    leave = np.minimum(np.maximum((height - below) / run, 0.0), 1.0)
    middle = (np.minimum(low, height) + np.maximum(high, 0.0)) / 2
    return (leave - enter) * middle + (1.0 - leave) * height
