"""Where the round agent and the walls touch the tee, in JAX, for one world. Lengths in pixels, angles in radians."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.envs.pusht.geometry import UNIT_BOXES, UNIT_OUTLINE

WALLS = (7.0, 504.0)
"""Inner faces of gym-pusht's walls along each axis [px]."""
# The stem reaches through the bar, so that no face lies within the tee.
BOXES = np.stack([UNIT_BOXES[0], np.array([[-0.5, 0.0], UNIT_BOXES[1, 1]])])
"""Bar and stem of the tee of scale 1 as (low, high) corners, [2, 2, 2]; together they are the tee."""
# A centre that is nearer to a part than this [px] counts as within it: the direction to a point that near turns too
# fast for a derivative to mean anything.
_GRAZE = 1.0
_INWARD = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])

Vector = Float[Array, " 2"]
Scalar = Float[Array, ""]


class Touch(Module):
    """The nearest point of a pair of bodies: where it is, the unit normal into the block, and how deep they overlap."""

    point: Vector
    inward: Vector
    depth: Scalar


def turned(vector: Float[Array, "*B 2"], angle: Scalar) -> Float[Array, "*B 2"]:
    """``vector`` turned by ``angle``."""
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    x, y = vector[..., 0], vector[..., 1]
    return jnp.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)


def touch_agent(
    part: int, agent_xy: Vector, radius: Scalar, block_xy: Vector, block_angle: Scalar, scale: Scalar
) -> Touch:
    """The agent (a disc) at one part of the tee: 0 the bar, 1 the stem. ``depth`` is negative where they are apart."""
    low, high = jnp.asarray(BOXES[part], agent_xy.dtype) * scale
    centre = turned(agent_xy - block_xy, -block_angle)
    nearest = jnp.clip(centre, low, high)
    apart = jnp.sum((centre - nearest) ** 2)
    outside = apart > _GRAZE**2
    distance = jnp.sqrt(jnp.where(outside, apart, 1.0))
    inner_point, outward, buried = _nearest_face(centre, low, high)
    outward = jnp.where(outside, (centre - nearest) / distance, outward)
    point = jnp.where(outside, nearest, inner_point)
    depth = radius - jnp.where(outside, distance, -buried)
    return Touch(block_xy + turned(point, block_angle), turned(-outward, block_angle), depth)


def touch_wall(block_xy: Vector, block_angle: Scalar, scale: Scalar) -> Touch:
    """The corner of the tee that is deepest in a wall. ``depth`` is negative where it is inside the table."""
    corners = block_xy[None] + turned(jnp.asarray(UNIT_OUTLINE, block_xy.dtype) * scale, block_angle)
    low, high = WALLS
    depths = jnp.concatenate([low - corners, corners - high], axis=1)  # [8, 4]: left, top, right, bottom
    index = jnp.argmax(depths)
    corner, wall = index // 4, index % 4
    return Touch(corners[corner], jnp.asarray(_INWARD, block_xy.dtype)[wall], depths[corner, wall])


def _nearest_face(centre: Vector, low: Vector, high: Vector) -> tuple[Vector, Vector, Scalar]:
    """For a point within a box: the nearest point on its outline, the outward normal, and how far it is."""
    gaps = jnp.concatenate([centre - low, high - centre])
    face = jnp.argmin(gaps)
    outward = -jnp.asarray(_INWARD, centre.dtype)[face]
    return centre + gaps[face] * outward, outward, gaps[face]
