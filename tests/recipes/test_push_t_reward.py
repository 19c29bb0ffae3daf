import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diorama.envs.pusht.geometry import DEFAULT_GOAL, keypoints
from diorama.recipes.push_t_reward import PushTReward, corner_distance


def features(agent, block, angle) -> jax.Array:
    return jnp.array([*agent, 0.0, 0.0, *block, np.cos(angle), np.sin(angle)], jnp.float32)


def reward(seen: jax.Array) -> jax.Array:
    return PushTReward()({"features": seen}, jnp.zeros(2), {"features": seen})


def test_the_distance_is_that_of_the_corners():
    block, angle = np.array([200.0, 310.0]), 1.1
    wanted = keypoints(np.array(DEFAULT_GOAL[:2]), np.array(DEFAULT_GOAL[2]))
    expected = np.linalg.norm(keypoints(block, np.array(angle)) - wanted, axis=-1).mean()
    assert corner_distance(features((0.0, 0.0), block, angle)) == pytest.approx(expected, rel=1e-4)


def test_the_goal_is_the_best_place_and_gradients_are_finite_there():
    there = features((256.0, 300.0), DEFAULT_GOAL[:2], DEFAULT_GOAL[2])
    assert reward(there) == pytest.approx(6.0, abs=0.05)
    for shift in (jnp.eye(8)[4] * 5, jnp.eye(8)[5] * -5):
        assert reward(there + shift) < reward(there) - 0.1
    assert np.all(np.isfinite(jax.grad(reward)(there)))


def test_the_last_pixels_have_a_slope():
    """Where the broad bonus is flat, the fine one is not: a pixel less is worth as much everywhere near the goal."""
    goal = np.array(DEFAULT_GOAL[:2])

    def worth(away: float, fine: float) -> float:
        seen = {"features": features((256.0, 300.0), goal + [away, 0.0], DEFAULT_GOAL[2])}
        return float(PushTReward(fine=fine)(seen, jnp.zeros(2), seen))

    last = [worth(0.5, fine) - worth(1.5, fine) for fine in (0.0, 3.0)]
    assert 0 < last[0] < 0.05 and last[1] > 10 * last[0]
    assert worth(40.0, 3.0) == pytest.approx(worth(40.0, 0.0), abs=0.01), "from afar it does not count"


@given(
    block=st.tuples(st.floats(100, 400), st.floats(100, 400)),
    angle=st.floats(-3, 3),
    agent=st.tuples(st.floats(0, 512), st.floats(0, 512)),
)
@settings(max_examples=30, deadline=None)
def test_nowhere_is_better_than_the_goal(block, angle, agent):
    there = features((256.0, 300.0), DEFAULT_GOAL[:2], DEFAULT_GOAL[2])
    assert reward(features(agent, block, angle)) <= reward(there) + 1e-3


def test_the_agent_is_drawn_to_the_block_only_from_afar():
    near, far, farther = (reward(features((256.0, 256.0 + d), (256.0, 256.0), 0.0)) for d in (60.0, 150.0, 200.0))
    assert near > far > farther
    assert reward(features((256.0, 290.0), (256.0, 256.0), 0.0)) == pytest.approx(float(near))
