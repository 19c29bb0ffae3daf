"""Quasi-static Push-T: closed forms of the motion cone, symmetry, calibration, contract, likeness to gym-pusht."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import SpecError, Window, filter_jit
from diorama.envs import check_env
from diorama.envs.adapters import run_host
from diorama.envs.pusht import Absolute, PushT, Relative
from diorama.envs.pusht_quasistatic import (
    HostQuasiStaticPushT,
    Parameters,
    Push,
    QuasiStaticPushT,
    by_geometry,
    identify,
    yielded,
)
from diorama.envs.pusht_quasistatic.limit_surface import displaced
from diorama.evaluate import run_episodes
from diorama.policies import Constant

KEY = jax.random.key(0)
LEVER, FRICTION = jnp.array(50.0), jnp.array(0.4)
PLANTED = Parameters.of(1.9, 1.5, 0.8, 0.1)


def push(arm: list, depth: float, slip: float) -> Push:
    """A push along x, ``slip`` along y."""
    return Push(jnp.array(arm, float), jnp.array([1.0, 0.0]), jnp.array(float(depth)), jnp.array(float(slip)))


@pytest.mark.parametrize("friction", [0.0, 0.4])
def test_a_push_through_the_centre_of_friction_does_not_turn_the_body(friction: float) -> None:
    np.testing.assert_allclose(yielded(push([-30, 0], 2, 0), LEVER, jnp.array(friction)), [2, 0, 0], atol=1e-6)


def test_nothing_yields_to_what_does_not_touch() -> None:
    np.testing.assert_array_equal(yielded(push([-30, 20], -1, 3), LEVER, FRICTION), np.zeros(3))


@pytest.mark.parametrize("arm", [[-30.0, 20.0], [-10.0, -40.0]])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_the_edges_of_the_motion_cone(arm: list, side: float) -> None:
    # A force on the edge of the friction cone moves the contact point by J A J^T (n + mu t): the cone's edge.
    rows = np.array([[1, 0, -arm[1] / 50], [0, 1, arm[0] / 50]])
    along, aside = rows @ rows.T @ np.array([1.0, side * 0.4])
    edge = aside / along
    inside, outside = (push(arm, 2.0, 2.0 * (edge + side * shift)) for shift in (-0.02, 0.3))
    stuck = yielded(inside, LEVER, FRICTION)
    np.testing.assert_allclose(displaced(stuck, inside.arm), [2.0, inside.slip], rtol=1e-4)
    slid = yielded(outside, LEVER, FRICTION)
    moved = displaced(slid, outside.arm)
    np.testing.assert_allclose(moved, [2.0, 2.0 * edge], rtol=1e-4)
    np.testing.assert_allclose(slid[1] / slid[0], side * 0.4, rtol=1e-4)


def test_the_twist_is_normal_to_the_limit_surface() -> None:
    """Without friction the force is along the normal and the twist is (f, torque / lever^2)."""
    twist = yielded(push([-30, 20], 2, 5), LEVER, jnp.array(0.0))
    np.testing.assert_allclose(twist[2] / twist[0], -20 / 50**2, rtol=1e-5)
    assert twist[1] == 0


def test_the_even_tee_by_hand() -> None:
    found = by_geometry()
    assert float(found.centre) == pytest.approx(19 / 14, abs=1e-4)
    assert 1.2 < float(found.lever) < 1.5 and float(found.yielding) == 1


@filter_jit
def carried(env: QuasiStaticPushT, pose: jax.Array, actions: jax.Array, scenario: dict) -> jax.Array:
    """Poses [T + 1, 5] from a pose at rest."""
    state = env.start_at(pose, scenario)

    def body(state, action):
        following = env.step(state, action, KEY)
        return following, env.observe(following)["state"]

    return jnp.concatenate([pose[None], jax.lax.scan(body, state, actions)[1]])


@pytest.fixture(scope="module")
def relative() -> QuasiStaticPushT:
    return QuasiStaticPushT(Relative(), ("state", "keypoints", "features"), PLANTED)


def default(env) -> dict:
    return {name: jnp.asarray(value) for name, value in env.spec.scenario.default().items()}


def test_an_agent_that_does_not_touch_leaves_the_block_where_it_is(relative) -> None:
    pose = jnp.array([60.0, 60.0, 300.0, 300.0, 0.7])
    poses = carried(relative, pose, jnp.tile(jnp.array([[-20.0, 10.0]]), (6, 1)), default(relative))
    np.testing.assert_allclose(poses[:, 2:], np.tile(pose[2:], (7, 1)), atol=1e-4)
    assert poses[-1, 0] < 20


def test_a_push_along_the_stem_moves_the_tee_straight(relative) -> None:
    pose = jnp.array([256.0, 180.0, 256.0, 200.0, 0.0])
    poses = np.asarray(carried(relative, pose, jnp.tile(jnp.array([[0.0, 40.0]]), (6, 1)), default(relative)))
    assert poses[-1, 3] > 250
    np.testing.assert_allclose(np.sin(poses[:, 4]), 0, atol=1e-4)
    np.testing.assert_allclose(poses[:, 2], 256, atol=1e-2)


def test_turning_the_table_turns_what_happens(relative) -> None:
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    pose, actions = np.array([230.0, 180.0, 256.0, 220.0, 0.3]), np.tile([[5.0, 35.0]], (6, 1))

    def about(point: np.ndarray) -> np.ndarray:
        return (point - 256) @ turn.T + 256

    turned = np.concatenate([about(pose[:2]), about(pose[2:4]), [pose[4] + np.pi / 2]])
    runs = [
        np.asarray(carried(relative, jnp.asarray(p, jnp.float32), jnp.asarray(a, jnp.float32), default(relative)))
        for p, a in ((pose, actions), (turned, actions @ turn.T))
    ]
    np.testing.assert_allclose(about(runs[0][:, 2:4]), runs[1][:, 2:4], atol=0.05)
    assert np.linalg.norm(runs[0][-1, 2:4] - pose[2:4]) > 10


def test_a_wall_holds_the_tee(relative) -> None:
    pose, actions = jnp.array([256.0, 330.0, 256.0, 350.0, 0.0]), jnp.tile(jnp.array([[0.0, 16.0]]), (8, 1))
    poses = np.asarray(carried(relative, pose, actions, default(relative)))
    assert poses[-1, 1] + 15 > 388  # the agent came further than the tee can go: its stem ends 120 px below its origin
    assert 378 < poses[-1, 3] < 504 - 120 + 4


def test_derivatives_are_those_of_differences(relative) -> None:
    pose, actions = jnp.array([240.0, 180.0, 256.0, 200.0, 0.1]), jnp.tile(jnp.array([[2.0, 30.0]]), (3, 1))

    @filter_jit
    def end(scale: jax.Array) -> jax.Array:
        return carried(relative, pose, actions * scale, default(relative))[-1, 2:4].sum()

    slope = filter_jit(jax.grad(end))(jnp.array(1.0))
    around = (end(jnp.array(1.02)) - end(jnp.array(0.98))) / 0.04
    np.testing.assert_allclose(slope, around, rtol=0.1)
    assert slope > 5


def test_they_keep_the_contract(relative) -> None:
    assert "gradient" in check_env(relative).passed
    assert "rewind" in check_env(HostQuasiStaticPushT(Absolute(), ("state", "pixels"))).passed


def test_the_host_world_is_the_pure_one_and_starts_where_gym_pusht_does(relative) -> None:
    pytest.importorskip("pymunk", reason="Push-T needs the extra `pusht`")
    host, seeds = HostQuasiStaticPushT(Relative(), ("state", "features"), PLANTED), np.arange(8)
    real = PushT(Relative(), ("state",))
    first = real.reset(seeds, real.spec.scenario.default())
    starts = host.observe(host.reset(seeds, host.spec.scenario.default()))["state"]
    away = np.abs(starts - real.observe(first)["state"]).max(axis=1)
    assert np.sum(away < 1e-3) >= 6  # the others overlap, and gym-pusht moved them
    episode = run_host(host, Constant(jnp.array([30.0, 20.0])), seeds, 5)
    same = carried(relative, jnp.asarray(starts[2]), jnp.asarray(episode.action[2]), default(relative))
    np.testing.assert_allclose(episode.observation["state"][2], same, atol=0.02)


def test_factors_change_what_they_say(relative) -> None:
    pose, actions = jnp.array([225.0, 180.0, 256.0, 200.0, 0.0]), jnp.tile(jnp.array([[12.0, 40.0]]), (5, 1))
    plain = carried(relative, pose, actions, default(relative))
    for name, value in {"friction": 0.8, "block_mass": 4.0, "block_scale": 36.0, "latency": 0.15}.items():
        other = carried(relative, pose, actions, default(relative) | {name: jnp.array(value)})
        assert np.abs(np.asarray(plain - other))[:, 2:4].max() > 0.5, name
    with pytest.raises(SpecError, match="pixels"):
        QuasiStaticPushT(observations=("pixels",))


def pushes(count: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses [N, 5] of agents beside blocks and actions [N, T, 2] towards their middle, the same each time."""
    rng = np.random.default_rng(300_000)
    angle = rng.uniform(-np.pi, np.pi, count)
    block = np.column_stack([rng.uniform(200, 312, (count, 2)), rng.uniform(-np.pi, np.pi, count)])
    middle = block[:, :2] + 45 * np.column_stack([-np.sin(block[:, 2]), np.cos(block[:, 2])])
    way = np.column_stack([np.cos(angle), np.sin(angle)])
    aim = rng.normal(0, 15, (count, 2))
    actions = np.repeat((-30 * way)[:, None], steps, axis=1)
    return np.column_stack([middle + 100 * way + aim, block]).astype(np.float32), actions.astype(np.float32)


def test_calibration_finds_planted_parameters(relative) -> None:
    poses, actions = pushes(96, 5)
    state = jax.vmap(lambda pose: relative.start_at(pose, default(relative)))(poses)
    seen = [jax.vmap(relative.observe)(state)["features"]]
    step = filter_jit(jax.vmap(lambda s, a: relative.step(s, a, KEY)))
    for action in np.moveaxis(actions, 1, 0):
        state = step(state, action)
        seen.append(jax.vmap(relative.observe)(state)["features"])
    flags = np.zeros(actions.shape[:2], bool)
    windows = Window({"features": np.stack(seen, 1)}, actions, np.zeros(flags.shape, np.float32), flags, ~flags)
    found = identify(Relative(), windows)
    assert found.after < 0.1 * found.before and found.windows > 60
    for name, value in PLANTED.numbers().items():
        assert found.parameters.numbers()[name] == pytest.approx(value, abs=0.05), name
    still = jax.tree.map(lambda leaf: leaf[:2], windows)
    still.observation["features"] = np.repeat(np.asarray(still.observation["features"])[:, :1], 6, axis=1)
    with pytest.raises(SpecError, match="moves in none"):
        identify(Relative(), still)


def test_it_moves_blocks_the_way_gym_pusht_does() -> None:
    pytest.importorskip("pymunk", reason="Push-T needs the extra `pusht`")
    poses, actions = pushes(96, 5)
    ends = []
    for env in (PushT(Relative()), HostQuasiStaticPushT(Relative())):
        state = env.reset_to(poses, env.spec.scenario.default())
        for action in np.moveaxis(actions, 1, 0):
            state = env.step(state, action)
        ends.append(env.observe(state)["state"][:, 2:4] - poses[:, 2:4])
    far = np.linalg.norm(ends[0], axis=1) > 5
    cosine = (
        np.sum(ends[0] * ends[1], 1)[far] / np.linalg.norm(ends[0][far], axis=1) / np.linalg.norm(ends[1][far], axis=1)
    )
    assert far.sum() > 40 and np.median(cosine) > 0.97


def test_evaluation_runs_it_as_any_world(relative) -> None:
    episode = run_episodes(relative, Constant(jnp.array([10.0, 10.0])), np.arange(3), 4)
    assert episode.observation["features"].shape == (3, 5, 8) and episode.mask.all()
