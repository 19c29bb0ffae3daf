"""Push-T as a host environment: interfaces, observations, factors of variation, physics from given poses, metrics."""

import builtins
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import Trajectory
from diorama.core.errors import DioramaError, SpecError
from diorama.envs.adapters.host import run_host
from diorama.envs.pusht import (
    Absolute,
    PushT,
    PushTPhysics,
    Relative,
    best_clipped_coverage,
    goal_reached,
    physics,
    success_coverage,
)
from diorama.envs.pusht.interface import DelayLine
from diorama.policies.constant import Constant

pytest.importorskip("pymunk", reason="Push-T needs the extra `pusht`")
ALL = ("state", "keypoints", "features", "pixels")
BEFORE_BLOCK = [200.0, 300.0, 256.0, 256.0, 0.0]


def played(env: PushT, seeds: np.ndarray, scenario: dict, steps: int = 25) -> object:
    """The state after random pushes towards the block, the same for the same seeds."""
    state, rng = env.reset(seeds, scenario), np.random.default_rng(0)
    low, high = env.spec.action.bounds()
    for _ in range(steps):
        wish = state.block_xy if low[0] == 0 else 3 * (state.block_xy - state.agent_xy)
        state = env.step(state, np.clip(wish + rng.normal(0, 40, (1, 2)), low, high))
    return state


def poses(state: object) -> np.ndarray:
    return np.column_stack([state.agent_xy, state.block_xy, state.block_angle])


@pytest.mark.parametrize("interface", [Absolute(), Relative()])
def test_observations_fit_their_specs(interface) -> None:
    env = PushT(interface, ALL)
    state = played(env, np.arange(8), env.spec.scenario.default())
    for name, array in env.observe(state).items():
        for world in array:
            env.spec.observation[name].check(world, name)
    features = env.observe(state)["features"]
    np.testing.assert_allclose(
        np.arctan2(features[:, 7], features[:, 6]) % (2 * np.pi), poses(state)[:, 4] % (2 * np.pi), atol=1e-5
    )
    np.testing.assert_array_equal(features[:, 2:4], state.agent_velocity.astype(np.float32))


def test_an_episode_does_not_depend_on_its_batch() -> None:
    env = PushT(Relative(), ALL)
    together = env.observe(played(env, np.array([3, 1, 2]), env.spec.scenario.default()))
    alone = env.observe(played(env, np.array([2]), env.spec.scenario.default()))
    for name in ALL:
        np.testing.assert_array_equal(together[name][2:], alone[name])


def test_relative_actions_move_the_target_from_where_the_agent_is() -> None:
    env = PushT(Relative())
    assert env.spec.control_period == 0.2 and PushT().spec.control_period == 0.1
    state = env.reset_to(np.array([[100.0, 100.0, 400.0, 400.0, 0.0]]), env.spec.scenario.default())
    state = env.step(state, np.array([[40.0, -10.0]]))
    # A critically damped body (omega = 10 / s) after 0.2 s behind a target that leaves it at 200 and -50 px/s.
    np.testing.assert_allclose(state.agent_xy[0] - 100, np.array([200, -50]) * 0.4 * np.exp(-2), rtol=0.2)
    for _ in range(8):
        state = env.step(state, np.zeros((1, 2)))
    moved = state.agent_xy[0] - 100
    assert moved[0] == pytest.approx(-4 * moved[1], rel=1e-9) and 10 < moved[0] < 40
    for _ in range(20):
        state = env.step(state, np.array([[-60.0, -60.0]]))
    assert (state.agent_xy >= 0).all() and (state.agent_xy < 1).all()


def test_a_state_that_has_passed_cannot_be_stepped() -> None:
    env = PushT()
    first = env.reset(np.array([0]), env.spec.scenario.default())
    env.step(first, np.array([[256.0, 256.0]]))
    assert not env.rewindable
    with pytest.raises(DioramaError, match="cannot be rewound"):
        env.step(first, np.array([[256.0, 256.0]]))
    with pytest.raises(DioramaError, match="cannot be rewound"):
        PushT().step(first, np.array([[256.0, 256.0]]))
    np.testing.assert_array_equal(env.observe(first)["state"][0, :2], first.agent_xy[0])


@pytest.mark.parametrize("action", [np.zeros(2), np.zeros((2, 2)), np.array([[np.nan, 0.0]])])
def test_wrong_actions_are_refused(action) -> None:
    env = PushT()
    state = env.reset(np.array([0]), env.spec.scenario.default())
    with pytest.raises(SpecError, match="Actions have shape"):
        env.step(state, action)


def test_wrong_scenarios_and_observations_are_refused() -> None:
    env = PushT()
    default = env.spec.scenario.default()
    with pytest.raises(SpecError, match="Unknown scenario factors"):
        env.reset(np.array([0]), default | {"gravity": np.float32(1)})
    with pytest.raises(SpecError, match="lacks"):
        env.reset(np.array([0]), {})
    with pytest.raises(SpecError, match="leaves its bounds"):
        env.reset(np.array([0, 1]), default | {"friction": np.array([0.0, 3.0], np.float32)})
    with pytest.raises(SpecError, match="has shape"):
        env.reset(np.array([0, 1]), default | {"friction": np.zeros(3, np.float32)})
    with pytest.raises(SpecError, match="no observation 'image'"):
        PushT(observations=("image",))


MOVING = {
    "friction": 0.8,
    "block_mass": 4.0,
    "block_scale": 36.0,
    "agent_radius": 22.0,
    "agent_low": (240.0, 240.0),
    "agent_high": (270.0, 270.0),
    "block_low": (240.0, 240.0),
    "block_high": (270.0, 270.0),
    "latency": 0.15,
}


@pytest.mark.parametrize("name", MOVING)
def test_factors_that_change_the_motion(name: str) -> None:
    env, seeds = PushT(), np.arange(4)
    space = env.spec.scenario
    default, changed = (poses(played(env, seeds, s)) for s in (space.default(), space.fix(**{name: MOVING[name]})))
    assert np.abs(default - changed).max() > 0.5
    # The same value for each world or for all of them is the same world.
    value = np.repeat(np.float32(MOVING[name])[None], 4, axis=0)
    np.testing.assert_array_equal(poses(played(env, seeds, space.default() | {name: value})), changed)


@pytest.mark.parametrize("name, value", [("goal_position", (300.0, 200.0)), ("goal_angle", 0.0), ("goal_size", 1.2)])
def test_factors_that_change_the_reward_and_the_picture_but_not_the_motion(name: str, value) -> None:
    env, seeds = PushT(observations=("pixels",)), np.arange(3)
    starts = np.array([[20.0, 20.0, 256.0, 250.0, 0.7]] * 3)
    default = env.reset_to(starts, env.spec.scenario.default())
    changed = env.reset_to(starts, env.spec.scenario.fix(**{name: value}))
    np.testing.assert_array_equal(poses(default), poses(changed))
    assert (np.abs(default.coverage - changed.coverage) > 0.01).all()
    assert (env.observe(default)["pixels"] != env.observe(changed)["pixels"]).any()
    assert seeds.size == len(changed.coverage)


@pytest.mark.parametrize("name", ["agent_colour", "block_colour", "goal_colour", "background_colour"])
def test_colours_change_the_picture_and_nothing_else(name: str) -> None:
    env, seeds = PushT(observations=("pixels",)), np.arange(2)
    colour = np.array([[200.0, 30.0, 90.0], [30.0, 200.0, 90.0]], np.float32)
    default = env.reset(seeds, env.spec.scenario.default())
    changed = env.reset(seeds, env.spec.scenario.default() | {name: colour})
    np.testing.assert_array_equal(poses(default), poses(changed))
    pictures = env.observe(changed)["pixels"]
    assert (pictures != env.observe(default)["pixels"]).any(axis=(1, 2, 3)).all()
    wanted = pictures.reshape(2, -1, 3) == colour.astype(np.uint8)[:, None]
    lighter = pictures.reshape(2, -1, 3) == np.round(np.minimum(colour * 1.2, 255)).astype(np.uint8)[:, None]
    assert (wanted.all(-1) | lighter.all(-1)).any(axis=1).all()


def test_sampled_scenarios_run() -> None:
    env = PushT(Relative(), ALL)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        factors = env.spec.scenario.factors.items()
        scenario = {name: np.asarray(rng.uniform(*factor.spec.bounds()), np.float32) for name, factor in factors}
        state = played(env, np.arange(2), scenario, steps=5)
        assert all(np.isfinite(array).all() for array in env.observe(state).values())


def test_delay_line_holds_each_world_back_by_its_own_latency() -> None:
    line = DelayLine(np.array([0, 1, 3]), np.full((3, 2), -1.0))
    sent = np.arange(6.0)
    first, second = (np.repeat(part[None, :, None], 3, 0).repeat(2, 2) for part in (sent[:2], sent[2:4]))
    arrived = np.concatenate([line.pass_on(first), line.pass_on(second)], axis=1)[..., 0]
    np.testing.assert_array_equal(arrived, [[0, 1, 2, 3], [-1, 0, 1, 2], [-1, -1, -1, 0]])


def test_set_pose_is_exact_and_forgets_what_was_before() -> None:
    worlds = PushTPhysics(3)
    start = np.array([BEFORE_BLOCK, [300.0, 250.0, 200.0, 220.0, 4.0], [50.0, 60.0, 400.0, 380.0, -7.0]])
    velocity = np.array([[10.0, -5.0]] * 3)
    paths = np.repeat(np.array([[[256.0, 300.0]]]), 10, axis=1).repeat(3, axis=0)
    runs = []
    for _ in range(2):
        worlds.set_pose(start[:, :2], start[:, 2:4], start[:, 4], velocity, block_spin=0.5)
        np.testing.assert_allclose(worlds.block_xy, start[:, 2:4], atol=1e-12)
        np.testing.assert_array_equal(worlds.block_angle, start[:, 4])
        np.testing.assert_array_equal(worlds.agent_velocity, velocity)
        np.testing.assert_array_equal(worlds.block_spin, [0.5] * 3)
        worlds.step(paths)
        runs.append(np.column_stack([worlds.agent_xy, worlds.block_xy, worlds.block_angle, worlds.block_velocity]))
    np.testing.assert_array_equal(*runs)
    assert np.abs(runs[0][0, 2:4] - start[0, 2:4]).max() > 0.1


def test_physics_refuses_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = PushTPhysics(2)
    with pytest.raises(DioramaError, match="no pose yet"):
        worlds.step(np.zeros((2, 10, 2)))
    worlds.set_pose(np.zeros((2, 2)), np.full((2, 2), 256.0), np.zeros(2))
    with pytest.raises(SpecError, match="Targets have shape"):
        worlds.step(np.zeros((3, 10, 2)))
    load = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("pymunk"):
            raise ImportError(name)
        return load(name, *rest)

    physics._chipmunk.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DioramaError, match=r"diorama\[pusht\]"):
        PushTPhysics(1)
    monkeypatch.undo()
    monkeypatch.setattr("pymunk.version", "7.0.0")
    with pytest.raises(DioramaError, match="below 7"):
        PushTPhysics(1)
    physics._chipmunk.cache_clear()


def test_running_push_t_needs_no_gym_pusht_and_no_shapely() -> None:
    code = (
        "import sys; from diorama.envs.pusht import PushT; import numpy as np; e = PushT(observations=('pixels',));"
        "s = e.reset(np.arange(2), e.spec.scenario.default()); e.observe(e.step(s, np.zeros((2, 2)))); e.terminal(s);"
        "sys.exit(any(name in sys.modules for name in ('gym_pusht', 'shapely', 'pygame', 'cv2')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(p for p in sys.path if p)})


def test_run_host_records_what_the_metrics_read() -> None:
    env = PushT(observations=("state", "features"))
    trajectory = run_host(env, Constant(jnp.array([256.0, 256.0])), np.arange(100000, 100004), 30)
    best, success = best_clipped_coverage(trajectory), success_coverage(trajectory)
    np.testing.assert_allclose(best, trajectory.reward.max(-1), atol=1e-5)
    np.testing.assert_array_equal(success, trajectory.end.any(-1))
    smooth = {"features": trajectory.observation["features"]}
    other = Trajectory(smooth, *(getattr(trajectory, n) for n in ("action", "reward", "end", "mask", "scenario")))
    np.testing.assert_allclose(best_clipped_coverage(other), best, atol=1e-5)


def recorded(states: np.ndarray, mask: np.ndarray, scenario: dict) -> Trajectory:
    """A trajectory with these states [*batch, T + 1, 5]."""
    reward = np.zeros(mask.shape, np.float32)
    action = np.zeros((*mask.shape, 2), np.float32)
    return Trajectory({"state": states.astype(np.float32)}, action, reward, np.zeros(mask.shape, bool), mask, scenario)


def test_coverage_metrics_by_hand() -> None:
    goal = np.array([0.0, 0.0, 256.0, 256.0, np.pi / 4])
    away = goal + [0, 0, 200, 0, 0]
    states = np.array([[goal, away, away, away], [away, away, goal, away], [away, away, away, goal]])
    mask = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0]], bool)
    # The first observation does not count, nor does a step that did not happen.
    for scenario in ({}, PushT().spec.scenario.default()):
        trajectory = recorded(states, mask, scenario)
        np.testing.assert_allclose(best_clipped_coverage(trajectory), [0, 1, 0], atol=1e-6)
        np.testing.assert_array_equal(success_coverage(trajectory), [False, True, False])
    per_world = {"goal_position": np.array([[456, 256], [456, 256], [0, 0]], np.float32)}
    assert success_coverage(recorded(states, mask, per_world)).tolist() == [True, True, False]
    half = recorded(states, mask, {"goal_size": np.float32(1.25)})
    np.testing.assert_allclose(best_clipped_coverage(half)[1], 1 / 1.25**2 / 0.95, atol=0.1)
    assert not success_coverage(half).any()


def test_goal_reached_by_hand() -> None:
    goal = np.array([100.0, 100.0, 256.0, 256.0, 0.1])
    turned, shifted = [0, 0, 0, 0, 2 * np.pi - 0.2], [10, 10, 10, 9, 0]
    rows = [goal + turned, goal + shifted, goal + [10, 10, 10, 10.1, 0], goal + [0, 0, 0, 0, 0.36]]
    states = np.stack([np.stack([goal, row]) for row in rows])
    mask = np.ones((4, 1), bool)
    assert goal_reached(recorded(states, mask, {}), goal).tolist() == [True, True, False, False]
    assert not goal_reached(recorded(states, ~mask, {}), np.tile(goal, (4, 1))).any()
    with pytest.raises(SpecError, match="goal has shape"):
        goal_reached(recorded(states, mask, {}), goal[:4])
