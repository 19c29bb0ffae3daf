"""The shape of the tee and the poses of Push-T, in NumPy.

Lengths are in pixels of the 512 x 512 table, x to the right and y down, angles in radians. With scale s the tee is a
bar [-2s, 2s] x [0, s] and a stem [-s/2, s/2] x [s, 4s] in its own frame; a pose (x, y, angle) places that frame.
Source: gym-pusht 0.1.8 (``add_tee``, ``get_keypoints``).
"""

import numpy as np

TABLE = 512.0
"""Side of the table [px]."""
DEFAULT_SCALE = 30.0
"""Scale of the tee [px]."""
DEFAULT_GOAL = (256.0, 256.0, float(np.pi / 4))
"""Goal pose: x [px], y [px], angle [rad]."""

_PARTS = np.array(
    [[[-2.0, 1.0], [2.0, 1.0], [2.0, 0.0], [-2.0, 0.0]], [[-0.5, 1.0], [-0.5, 4.0], [0.5, 4.0], [0.5, 1.0]]]
)
UNIT_OUTLINE = np.array(
    [[-2.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.5, 1.0], [0.5, 4.0], [-0.5, 4.0], [-0.5, 1.0], [-2.0, 1.0]]
)
"""The eight corners of the tee of scale 1 in order along its outline, [8, 2]."""
UNIT_BOXES = np.array([[[-2.0, 0.0], [2.0, 1.0]], [[-0.5, 1.0], [0.5, 4.0]]])
"""Bar and stem of the tee of scale 1 as (low, high) corners, [2, 2, 2]."""
UNIT_AREA = 7.0
"""Area of the tee of scale 1."""
UNIT_CENTRE = (0.0, 1.5)
"""Centre of gravity that gym-pusht gives the tee of scale 1: the mean of its parts' centroids, not weighted by area."""
UNIT_REACH = float(np.hypot(0.5, 2.5))
"""Largest distance of a point of the tee of scale 1 from its centre of gravity."""

# gym-pusht lists the corners of each part as Chipmunk's convex hull orders them.
_HULL_ORDER = np.array([[3, 2, 1, 0], [0, 3, 2, 1]])


def part_vertices(scale: float) -> list[list[tuple[float, float]]]:
    """Corners of bar and stem in the tee's frame [px], in the order in which gym-pusht hands them to Chipmunk."""
    return [[(float(x) * scale, float(y) * scale) for x, y in part] for part in _PARTS]


def wrap_angle(angle: np.ndarray) -> np.ndarray:
    """The same angle [rad] in [-pi, pi)."""
    return (np.asarray(angle) + np.pi) % (2 * np.pi) - np.pi


def place(points: np.ndarray, position: np.ndarray, angle: np.ndarray, scale: np.ndarray | float) -> np.ndarray:
    """Points [K, 2] of the tee of scale 1, placed on the table.

    ``position`` is [..., 2], ``angle`` and ``scale`` broadcast to [...]; the result is [..., K, 2] in pixels.
    """
    position, angle = np.asarray(position, np.float64), np.asarray(angle, np.float64)
    cosine, sine = np.cos(angle)[..., None], np.sin(angle)[..., None]
    scaled = points * np.asarray(scale, np.float64)[..., None, None]
    x, y = scaled[..., 0], scaled[..., 1]
    return np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=-1) + position[..., None, :]


def keypoints(position: np.ndarray, angle: np.ndarray, scale: np.ndarray | float = DEFAULT_SCALE) -> np.ndarray:
    """The eight corners of the two parts, [..., 8, 2] in pixels, in the order of gym-pusht's ``get_keypoints``."""
    ordered = np.take_along_axis(_PARTS, _HULL_ORDER[..., None], axis=1).reshape(8, 2)
    return place(ordered, position, angle, scale)


def outline(position: np.ndarray, angle: np.ndarray, scale: np.ndarray | float = DEFAULT_SCALE) -> np.ndarray:
    """The tee as one polygon, [..., 8, 2] in pixels."""
    return place(UNIT_OUTLINE, position, angle, scale)


def centre_of_gravity(position: np.ndarray, angle: np.ndarray, scale: np.ndarray | float = DEFAULT_SCALE) -> np.ndarray:
    """The point about which the block turns, [..., 2] in pixels."""
    return place(np.array([UNIT_CENTRE]), position, angle, scale)[..., 0, :]
