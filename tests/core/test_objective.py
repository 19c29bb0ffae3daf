"""Objectives compose, and their derivative reaches the actions."""

import jax
import jax.numpy as jnp
import numpy as np

from diorama.core import DiscountedReturn, Effort, Trajectory


def trajectory(action: jax.Array) -> Trajectory:
    mask = jnp.array([True, True, False])
    reward = jnp.array([1.0, 2.0, 4.0])
    return Trajectory({"state": jnp.zeros((4, 1))}, action, reward, jnp.zeros(3, bool), mask, {})


def test_a_weighted_sum_of_return_and_effort() -> None:
    action = jnp.array([[1.0, 2.0], [3.0, 0.0], [9.0, 9.0]])
    objective = DiscountedReturn(0.5) + 0.1 * Effort()
    np.testing.assert_allclose(objective(trajectory(action)), 1.0 + 0.5 * 2.0 - 0.1 * (5.0 + 9.0), rtol=1e-6)


def test_steps_that_did_not_happen_do_not_count() -> None:
    slope = jax.grad(lambda action: (2 * Effort())(trajectory(action)))(jnp.ones((3, 2)))
    np.testing.assert_allclose(slope, [[-4.0, -4.0], [-4.0, -4.0], [0.0, 0.0]])
