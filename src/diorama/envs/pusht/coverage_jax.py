"""The coverage of Push-T in JAX: jits, maps and differentiates; the same sum over edges as `pusht.coverage`."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.envs.pusht.geometry import (
    DEFAULT_SCALE,
    UNIT_AREA,
    UNIT_BOXES,
    UNIT_OUTLINE,
)

Scalar = Float[Array, ""] | float


def coverage(
    block_xy: Float[Array, "2"],
    block_angle: Scalar,
    goal_pose: Float[Array, "3"],
    block_scale: Scalar = DEFAULT_SCALE,
    goal_scale: Scalar = DEFAULT_SCALE,
) -> Float[Array, ""]:
    """Area shared by block and goal over the area of the goal, in [0, 1]; one world, a batch is ``jax.vmap``.

    Position and scales in pixels, angles in radians, ``goal_pose`` is (x, y, angle). The gradient is finite everywhere;
    it is zero where block and goal are apart. In float32 the value is good to about 1e-6.
    """
    goal_angle, away = goal_pose[2], (block_xy - goal_pose[:2]) / goal_scale
    cosine, sine = jnp.cos(goal_angle), jnp.sin(goal_angle)
    turn, size = block_angle - goal_angle, block_scale / goal_scale
    turn_x, turn_y = jnp.cos(turn) * size, jnp.sin(turn) * size
    corners = jnp.asarray(UNIT_OUTLINE, block_xy.dtype)
    x = turn_x * corners[:, 0] - turn_y * corners[:, 1] + cosine * away[0] + sine * away[1]
    y = turn_y * corners[:, 0] + turn_x * corners[:, 1] + cosine * away[1] - sine * away[0]
    return jnp.minimum(_area_in_boxes(x, y) / UNIT_AREA, 1.0)


def _area_in_boxes(x: Float[Array, " K"], y: Float[Array, " K"]) -> Float[Array, ""]:
    """Area of a polygon inside the two boxes of the tee of scale 1; axes below: box, edge."""
    low, high = jnp.moveaxis(jnp.asarray(UNIT_BOXES, x.dtype), (1, 2), (0, 1))[..., None]
    x, y = x[None, :], y[None, :]
    across, rise = jnp.roll(x, -1, axis=-1) - x, jnp.roll(y, -1, axis=-1) - y
    start = jnp.clip(x, low[0], high[0])
    end = jnp.roll(start, -1, axis=-1)
    upright = jnp.abs(across) < _level(x)
    safe = jnp.where(upright, 1.0, across)
    first, last = (y + rise * jnp.clip((at - x) / safe, 0.0, 1.0) - low[1] for at in (start, end))
    return jnp.sum((start - end) * _mean_height(first, last, high[1] - low[1]))


def _mean_height(
    first: Float[Array, "2 K"], last: Float[Array, "2 K"], height: Float[Array, "2 1"]
) -> Float[Array, "2 K"]:
    """Mean of clamp(y, 0, height) while y runs evenly from ``first`` to ``last``."""
    below, above = jnp.minimum(first, last), jnp.maximum(first, last)
    low, high = jnp.clip(below, 0.0, height), jnp.clip(above, 0.0, height)
    level = above - below < _level(first)
    # The unused branch of a `where` must stay finite too, or its gradient turns the other one into NaN.
    run = jnp.where(level, 1.0, above - below)
    inside = (high - low) * (low + high) / 2 + jnp.maximum(above - jnp.maximum(below, height), 0.0) * height
    return jnp.where(level, (low + high) / 2, inside / run)


def _level(like: Float[Array, "..."]) -> float:
    """The difference of two coordinates (in units of the scale) below which an edge counts as level or upright."""
    return float(jnp.finfo(like.dtype).eps)
