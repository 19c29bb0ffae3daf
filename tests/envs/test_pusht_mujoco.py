"""Push-T in MuJoCo: rest, straight pushes, contract, likeness to gym-pusht, calibration."""

import builtins

import numpy as np
import pytest

from diorama.core import Window
from diorama.core.errors import ConfigError, DioramaError, SpecError
from diorama.envs import check_env
from diorama.envs.pusht import PushT, Relative
from diorama.envs.pusht_mujoco import Body, MuJoCoPushT, Table, mjcf

pytest.importorskip("mujoco", reason="this Push-T needs the extra `mujoco`")
STICKY = Table(friction=20.0)


def carried(env, poses: np.ndarray, actions: np.ndarray, **factors) -> np.ndarray:
    """States [N, T + 1, 5] from poses at rest."""
    state = env.reset_to(poses, env.spec.scenario.fix(**factors))
    shown = [env.observe(state)["state"]]
    for action in np.moveaxis(actions, 1, 0):
        state = env.step(state, action)
        shown.append(env.observe(state)["state"])
    return np.stack(shown, axis=1)


def test_a_block_at_rest_stays_and_the_agent_follows_gym_pushts_law() -> None:
    pose, actions = np.array([[60.0, 60.0, 300.0, 300.0, 0.7]]), np.full((1, 10, 2), 15.0)
    shown = carried(MuJoCoPushT(Relative()), pose, actions)
    np.testing.assert_allclose(shown[0, :, 2:], np.tile(pose[:, 2:], (11, 1)), atol=0.05)
    pytest.importorskip("pymunk", reason="Push-T needs the extra `pusht`")
    np.testing.assert_allclose(shown[..., :2], carried(PushT(Relative()), pose, actions)[..., :2], atol=1e-3)


def test_a_push_along_the_stem_moves_the_tee_straight() -> None:
    pose, actions = np.array([[256.0, 180.0, 256.0, 200.0, 0.0]]), np.tile([[[0.0, 40.0]]], (1, 6, 1))
    shown = carried(MuJoCoPushT(Relative(), table=STICKY), pose, actions)[0]
    assert shown[-1, 3] > 250
    np.testing.assert_allclose(np.sin(shown[:, 4]), 0, atol=0.02)
    np.testing.assert_allclose(shown[:, 2], 256, atol=1.0)


def test_a_slippery_table_lets_the_tee_coast_by_the_law_of_friction() -> None:
    """The deceleration is mu g, to the softness of MuJoCo's friction."""
    env = MuJoCoPushT(Relative(), table=Table(friction=0.003))
    state = env.reset_to(np.array([[256.0, 80.0, 256.0, 100.0, 0.0]]), env.spec.scenario.default())
    places = []
    for way in (60.0, 60.0, -60.0, -60.0, -60.0):
        state = env.step(state, np.array([[0.0, way]]))
        places.append(float(state.shown.block_xy[0, 1]))
    # In millimetres: mu g over two periods of 0.2 s.
    assert places[-1] - places[-2] > 10
    assert np.diff(places[-3:], 2)[0] == pytest.approx(-0.003 * 9810 * 0.04, rel=0.05)


def test_it_keeps_the_contract() -> None:
    assert "rewind" in check_env(MuJoCoPushT(Relative(), ("state", "keypoints", "features", "pixels"))).passed


def test_it_starts_where_gym_pusht_does() -> None:
    pytest.importorskip("pymunk", reason="Push-T needs the extra `pusht`")
    seeds, shown = np.arange(12), []
    for env in (PushT(Relative()), MuJoCoPushT(Relative())):
        shown.append(env.observe(env.reset(seeds, env.spec.scenario.default()))["state"])
    assert np.sum(np.abs(shown[0] - shown[1]).max(axis=1) < 1e-3) >= 9  # the others overlap, and gym-pusht moved them


def test_friction_mass_and_size_change_the_motion() -> None:
    pose, actions = np.array([[225.0, 180.0, 256.0, 200.0, 0.0]]), np.tile([[[12.0, 40.0]]], (1, 5, 1))
    env = MuJoCoPushT(Relative(), table=STICKY)
    plain = carried(env, pose, actions)
    for name, value in {"friction": 0.8, "block_mass": 5.0, "block_scale": 36.0, "agent_radius": 22.0}.items():
        assert np.abs(carried(env, pose, actions, **{name: value}) - plain)[..., 2:4].max() > 0.3, name


def pushes(count: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(300_000)
    angle = rng.uniform(-np.pi, np.pi, count)
    block = np.column_stack([rng.uniform(200, 312, (count, 2)), rng.uniform(-np.pi, np.pi, count)])
    middle = block[:, :2] + 45 * np.column_stack([-np.sin(block[:, 2]), np.cos(block[:, 2])])
    way = np.column_stack([np.cos(angle), np.sin(angle)])
    poses = np.column_stack([middle + 100 * way + rng.normal(0, 15, (count, 2)), block])
    return poses, np.repeat((-30 * way)[:, None], steps, axis=1)


def test_it_moves_blocks_the_way_gym_pusht_does() -> None:
    pytest.importorskip("pymunk", reason="Push-T needs the extra `pusht`")
    poses, actions = pushes(48, 5)
    worlds = (PushT(Relative()), MuJoCoPushT(Relative(), table=STICKY))
    real, ours = (carried(env, poses, actions)[:, -1, 2:4] - poses[:, 2:4] for env in worlds)
    far = np.linalg.norm(real, axis=1) > 5
    cosine = np.sum(real * ours, 1)[far] / np.linalg.norm(real[far], axis=1) / np.linalg.norm(ours[far], axis=1)
    assert far.sum() > 20 and np.median(cosine) > 0.97


def test_calibration_finds_a_planted_table() -> None:
    from diorama.envs.pusht_mujoco import identify_table

    poses, actions = pushes(10, 3)
    env = MuJoCoPushT(Relative(), ("features",), Table(friction=4.0))
    state = env.reset_to(poses, env.spec.scenario.default())
    seen = [env.observe(state)["features"]]
    for action in np.moveaxis(actions, 1, 0):
        state = env.step(state, action)
        seen.append(env.observe(state)["features"])
    flags = np.zeros(actions.shape[:2], bool)
    windows = Window(
        {"features": np.stack(seen, 1)}, actions.astype(np.float32), np.zeros(flags.shape, np.float32), flags, ~flags
    )
    found = identify_table(Relative(), windows)
    assert found.table.friction == pytest.approx(4.0, rel=0.2) and found.after < 0.3 * found.before


def test_wrong_settings_and_a_missing_engine_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="divide"):
        Table(timestep=0.003)
    with pytest.raises(ConfigError, match="two timesteps"):
        Table(softness=0.001)
    with pytest.raises(ConfigError, match="positive"):
        Table(friction=0.0)
    with pytest.raises(SpecError, match="give finite"):
        MuJoCoPushT().reset_to(np.zeros((2, 4)), {})
    assert 'name="stem"' in mjcf(Body(30.0, 1.0, 0.0, 15.0), Table())
    load = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "mujoco":
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    env = MuJoCoPushT()
    with pytest.raises(DioramaError, match=r"diorama\[mujoco\]"):
        env.reset(np.arange(1), env.spec.scenario.default())
