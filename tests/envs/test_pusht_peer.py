"""Push-T against gym-pusht itself: starts, whole trajectories, observations, rewards, images."""

import warnings

import numpy as np
import pytest

from diorama.envs.pusht import PushT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    peer_module = pytest.importorskip("gym_pusht.envs.pusht", reason="gym-pusht is the extra `pusht`")


@pytest.fixture(scope="module")
def peer():
    return peer_module.PushTEnv(obs_type="state")


def pushes(seed: int, state: np.ndarray) -> np.ndarray:
    """A target near the block, so that most of an episode is contact."""
    return np.clip(state[2:4] + np.random.default_rng(seed).normal(0, 60, 2), 0, 512).astype(np.float32)


def test_fifty_starts_are_those_of_gym_pusht(peer) -> None:
    seeds = np.arange(100000, 100050)
    env = PushT()
    state = env.reset(seeds, env.spec.scenario.default())
    ours = np.column_stack([state.agent_xy, state.block_xy, state.block_angle % (2 * np.pi)])
    theirs = np.stack([peer.reset(seed=int(seed))[0] for seed in seeds])
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("seed", [100000, 100001, 7])
def test_whole_episodes_are_equal_bit_for_bit(peer, seed: int) -> None:
    env = PushT(observations=("state", "keypoints"))
    state = env.reset(np.array([seed]), env.spec.scenario.default())
    theirs, _ = peer.reset(seed=seed)
    touched = 0
    for step in range(300):
        action = pushes(seed * 1000 + step, theirs)
        before, state = state, env.step(state, action[None])
        theirs, reward, terminated, _, info = peer.step(action)
        np.testing.assert_array_equal(state.agent_xy[0], info["pos_agent"])
        np.testing.assert_array_equal(state.agent_velocity[0], info["vel_agent"])
        np.testing.assert_array_equal([*state.block_xy[0], state.block_angle[0]], info["block_pose"])
        assert env.reward(before, action[None], state)[0] == pytest.approx(reward, abs=1e-7)
        assert state.coverage[0] == pytest.approx(info["coverage"], abs=1e-9)
        assert env.terminal(state)[0] == terminated
        touched += bool((before.block_xy != state.block_xy).any())
    assert touched > 100
    seen = env.observe(state)
    np.testing.assert_array_equal(seen["state"][0], theirs.astype(np.float32))
    corners = np.concatenate([peer.get_keypoints(peer._block_shapes).ravel(), info["pos_agent"]])
    np.testing.assert_allclose(seen["keypoints"][0], corners, atol=1e-4)


def test_success_at_the_goal_agrees(peer) -> None:
    """Start a little off the goal on either side of 95 %; the peer's legacy start is undone by its own inverse."""
    for shift, expected in ((0.5, True), (8.0, False)):
        peer.reset(seed=0)
        peer.block.angle = np.pi / 4
        peer.block.position = (256 + shift, 256)
        env = PushT()
        scenario = env.spec.scenario.default()
        state = env.reset_to(np.array([[20.0, 20.0, 256 + shift, 256, np.pi / 4]]), scenario)
        assert env.terminal(state)[0] == expected == (peer._get_coverage() > 0.95)
        assert state.coverage[0] == pytest.approx(peer._get_coverage(), abs=1e-9)


def test_images_differ_by_less_than_half_a_grey_level(peer) -> None:
    env = PushT(observations=("pixels",))
    differences = []
    for seed in range(100000, 100006):
        state = env.reset(np.array([seed]), env.spec.scenario.default())
        theirs, _ = peer.reset(seed=seed)
        for step in range(12):
            action = pushes(seed + step, theirs)
            state, theirs = env.step(state, action[None]), peer.step(action)[0]
        ours = env.observe(state)["pixels"]
        assert ours.shape == (1, 96, 96, 3) and ours.dtype == np.uint8
        differences.append(np.abs(ours[0].astype(float) - peer._render()).mean())
    assert np.mean(differences) < 0.5 and max(differences) < 1.0
