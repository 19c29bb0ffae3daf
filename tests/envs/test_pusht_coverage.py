"""The coverage of Push-T against shapely, in NumPy and in JAX, and its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import shapely

from diorama.envs.pusht import coverage_jax
from diorama.envs.pusht.coverage import coverage, coverage_of_one
from diorama.envs.pusht.geometry import DEFAULT_GOAL, outline

COUNT = 10_000
GOAL = np.array(DEFAULT_GOAL)


@pytest.fixture(scope="module")
def poses():
    """Random poses near the goal, many of them very near, aligned with it or exactly on it; half with other scales."""
    rng = np.random.default_rng(0)
    position, angle = GOAL[:2] + rng.normal(0, 60, (COUNT, 2)), rng.uniform(-10, 10, COUNT)
    position[:2000], angle[:2000] = GOAL[:2] + rng.normal(0, 3, (2000, 2)), GOAL[2] + rng.normal(0, 0.05, 2000)
    angle[2000:2400] = GOAL[2] + np.pi / 2 * rng.integers(0, 4, 400)
    position[2350:2400] = GOAL[:2]
    block_scale = np.where(rng.random(COUNT) < 0.5, 30.0, rng.uniform(20, 40, COUNT))
    goal_scale = np.where(rng.random(COUNT) < 0.5, block_scale, rng.uniform(20, 40, COUNT))
    return position, angle, block_scale, goal_scale


@pytest.fixture(scope="module")
def reference(poses):
    position, angle, block_scale, goal_scale = poses
    blocks = shapely.polygons(outline(position, angle, block_scale))
    goals = shapely.polygons(outline(np.tile(GOAL[:2], (COUNT, 1)), np.full(COUNT, GOAL[2]), goal_scale))
    return shapely.area(shapely.intersection(blocks, goals)) / shapely.area(goals)


def test_equals_shapely(poses, reference) -> None:
    position, angle, block_scale, goal_scale = poses
    found = coverage(position, angle, GOAL, block_scale, goal_scale)
    np.testing.assert_allclose(found, reference, rtol=0, atol=1e-9)
    assert 0.1 < (reference == 0).mean() < 0.5 and found.max() == pytest.approx(1.0)


def test_one_at_a_time_equals_shapely(poses, reference) -> None:
    rows = np.column_stack([poses[0], poses[1]]).tolist()
    scales = poses[2].tolist(), poses[3].tolist()
    found = [coverage_of_one(row, GOAL.tolist(), *scale) for row, *scale in zip(rows, *scales, strict=True)]
    np.testing.assert_allclose(found, reference, rtol=0, atol=1e-9)


def test_jax_equals_shapely_in_both_precisions(poses, reference) -> None:
    batched = jax.jit(jax.vmap(coverage_jax.coverage, (0, 0, None, 0, 0)))
    position, angle, block_scale, goal_scale = poses
    with jax.enable_x64(True):
        found = batched(*(jnp.asarray(array) for array in (position, angle, GOAL, block_scale, goal_scale)))
        assert found.dtype == jnp.float64
        np.testing.assert_allclose(found, reference, rtol=0, atol=1e-9)
    found = batched(*(jnp.asarray(array, jnp.float32) for array in (position, angle, GOAL, block_scale, goal_scale)))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, reference, rtol=0, atol=3e-6)


def test_jax_gradient_is_finite_everywhere_and_right_away_from_kinks(poses) -> None:
    position, angle, block_scale, goal_scale = poses
    gradient = jax.jit(jax.vmap(jax.grad(coverage_jax.coverage, argnums=(0, 1, 2, 3, 4)), (0, 0, None, 0, 0)))
    single = [jnp.asarray(array, jnp.float32) for array in (position, angle, GOAL, block_scale, goal_scale)]
    assert all(bool(jnp.isfinite(part).all()) for part in gradient(*single))
    with jax.enable_x64(True):
        free = slice(3000, 4000)
        p, a, b, g = position[free], angle[free], block_scale[free], goal_scale[free]
        found = gradient(*(jnp.asarray(array) for array in (p, a, GOAL, b, g)))
        small = 1e-5
        by_x = (coverage(p + [small, 0], a, GOAL, b, g) - coverage(p - [small, 0], a, GOAL, b, g)) / (2 * small)
        by_angle = (coverage(p, a + small, GOAL, b, g) - coverage(p, a - small, GOAL, b, g)) / (2 * small)
        np.testing.assert_allclose(found[0][:, 0], by_x, atol=1e-7)
        np.testing.assert_allclose(found[1], by_angle, atol=1e-4)
    assert np.abs(by_x).max() > 1e-3


def test_shapes_broadcast_and_known_values() -> None:
    assert coverage(GOAL[:2], np.array(GOAL[2]), GOAL) == pytest.approx(1.0, abs=1e-12)
    assert coverage(GOAL[:2], np.array(GOAL[2]), GOAL, 45.0, 30.0) <= 1.0
    shifted = coverage(np.array([30.0, 0.0]), np.array(0.0), np.zeros(3))
    # Shifted by one scale, the bars share 3 of 4 squares, and the new stem no longer touches the old one.
    assert shifted == pytest.approx(3 / 7, abs=1e-12)
    block = np.zeros((4, 3, 2))
    assert coverage(block, np.zeros((4, 3)), np.zeros((4, 1, 3))).shape == (4, 3)
    far = coverage(np.array([[0.0, 0.0], [500.0, 500.0]]), np.zeros(2), np.zeros(3))
    np.testing.assert_allclose(far, [1.0, 0.0], atol=1e-12)
