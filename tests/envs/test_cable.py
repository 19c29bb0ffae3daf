"""A round cable, batch last, against the rod of the same package; recordings and how predictions are scored."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core.errors import DataError
from diorama.envs.rope import mocap
from diorama.envs.rope.cable import Cable, Mounting, acceleration, roll_out, twist_rate
from diorama.envs.rope.forces import elastic_forces
from diorama.envs.rope.frames import first_frames
from diorama.envs.rope.rod import Rod, straight, uniform_rod

VERTICES, STRETCH, BEND, TWIST = 9, 900.0, 0.03, 0.02
SUBSTEPS = 5


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


def crooked() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.cumsum(0.03 * rng.normal(size=(VERTICES, 3)) + [0.1, 0.0, 0.0], 0)


def cable(bend: float, twist: float, vertices: int = VERTICES, length: float = 0.8) -> Cable:
    rest = jnp.full(vertices - 1, length / (vertices - 1))
    mass = 0.5 * (jnp.pad(rest, (0, 1)) + jnp.pad(rest, (1, 0)))
    none = jnp.zeros(())
    joints = vertices - 2
    stiff = (jnp.asarray(STRETCH), jnp.full(joints, bend), jnp.asarray(twist))
    held = Mounting(rest, jnp.eye(3)[jnp.zeros(2, int)], jnp.eye(3)[jnp.ones(2, int)])
    return Cable(rest, mass, *stiff, none, none, none, none, jnp.zeros((2, joints)), none, held)


def rod(bend: float, twist: float) -> Rod:
    numbers = {"stretch": STRETCH, "twist": twist, "line_density": 1.0, "polar_density": 1.0, "radius": 0.01}
    arrays = {name: jnp.asarray(value) for name, value in numbers.items()}
    return uniform_rod(straight(0.8, VERTICES), bend=jnp.full(2, bend), **arrays)


@pytest.mark.parametrize(("bend", "twist", "total"), [(BEND, 0.0, 0.0), (0.0, TWIST, 0.7)])
def test_forces_are_those_of_the_rod(double, bend: float, twist: float, total: float) -> None:
    place, law, same = jnp.asarray(crooked()), cable(bend, twist), rod(bend, twist)
    turned = jnp.pad(jnp.cumsum(same.span), (1, 0)) * total / 0.8
    force, _ = jax.jit(elastic_forces)(same, place, turned, first_frames(place, False), same.rest_curvature)
    still = jnp.zeros((3, VERTICES, 1))
    bent = jnp.zeros((3, VERTICES - 2, 1))
    mine = jax.jit(acceleration)(law, place.T[:, :, None], still, jnp.full(1, total), bent)[:, :, 0].T
    weight = jnp.array([[0.0, 0.0, -9.81]])
    np.testing.assert_allclose((mine - weight) * law.mass[:, None], force, atol=1e-10)


def test_inner_forces_and_what_a_correction_adds_push_nobody(double) -> None:
    rng = np.random.default_rng(1)
    place, speed = jnp.asarray(crooked()).T[:, :, None], jnp.asarray(rng.normal(size=(3, VERTICES, 1)))
    bent = jnp.asarray(rng.normal(size=(3, VERTICES - 2, 1)))
    law = cable(BEND, TWIST)
    damped = dataclasses.replace(law, stretch_damping=jnp.asarray(1.0), bend_damping=jnp.asarray(1e-3))
    force = acceleration(damped, place, speed, jnp.full(1, 0.7), bent) * law.mass[None, :, None]
    total = jnp.sum(force, (1, 2))
    np.testing.assert_allclose(total, [0.0, 0.0, -9.81 * float(jnp.sum(law.mass))], atol=1e-10)


def test_twist_follows_from_how_the_centre_line_moves(double) -> None:
    rng = np.random.default_rng(2)
    place, speed = crooked(), rng.normal(size=(VERTICES, 3))
    speed[:2], speed[-2:] = speed[0], speed[-1]

    def reference(time: float) -> float:
        frames = first_frames(jnp.asarray(place + time * speed), False)
        there = first_frames(jnp.asarray(place), False).director[-1]
        axis = frames.tangent[-1]
        return float(jnp.arctan2(jnp.dot(axis, jnp.cross(frames.director[-1], there)), frames.director[-1] @ there))

    expected = (reference(1e-6) - reference(-1e-6)) / 2e-6
    rate = twist_rate(jnp.asarray(place).T[:, :, None], jnp.asarray(speed).T[:, :, None])[0]
    np.testing.assert_allclose(rate, expected, rtol=1e-6)


def test_a_cable_that_is_held_follows_its_clamps_and_falls_between_them() -> None:
    law = cable(1e-3, 1e-3)
    start = jnp.asarray(np.asarray(straight(0.8, VERTICES)).T[:, :, None], jnp.float32)
    ends = jnp.concatenate([start[:, :2], start[:, -2:]], 1)
    nearer = (
        jnp.linspace(0.0, 0.2, 60)[:, None, None, None] * jnp.asarray([1, 1, 0, 0], jnp.float32)[None, None, :, None]
    )
    path = ends[None] + nearer * jnp.asarray([1.0, 0.0, 0.0])[None, :, None, None]
    said = roll_out(law, start, start, path, substeps=SUBSTEPS)
    np.testing.assert_allclose(said[:, :, [0, 1, -2, -1]], path, atol=1e-5)
    assert float(said[-1, 2, VERTICES // 2, 0]) < -0.1
    np.testing.assert_allclose(said[-1, 1], 0.0, atol=1e-5)


def recording(count: int = 6, frames: int = 12, vertices: int = 7) -> mocap.Recording:
    moves = np.random.default_rng(3).normal(size=(count, frames, vertices, 3))
    return mocap.Recording("cable", np.arange(count), moves)


def test_scores_are_what_they_say() -> None:
    measured = recording()
    said = measured.vertices[:, mocap.GIVEN :].copy()
    said[:, :, 2:-2] += [0.03, 0.0, -0.04]
    found = mocap.score(said, measured)
    for name, value in (("euclidean", 0.05), ("l1", 0.07), ("coordinate", 0.07 / 3)):
        np.testing.assert_allclose(getattr(found, name), value)
        np.testing.assert_allclose(getattr(found, f"{name}_all"), value * 3 / 7)


def test_baselines_keep_the_clamps_and_see_two_frames_of_the_rest() -> None:
    measured = recording()
    changed = measured.vertices.copy()
    changed[:, mocap.GIVEN :, 2:-2] = 0.0
    other = mocap.Recording("cable", measured.trajectory, changed)
    for baseline in (mocap.copied_frame, mocap.straight_line, mocap.carried_shape):
        said = baseline(measured)
        np.testing.assert_array_equal(said, baseline(other))
        held = [0, 1, -2, -1]
        np.testing.assert_array_equal(said[:, :, held], measured.vertices[:, mocap.GIVEN :, held])


def test_a_split_is_a_partition() -> None:
    kept, held = recording().split(2, seed=0)
    assert sorted([*kept.trajectory, *held.trajectory]) == list(range(6))
    with pytest.raises(DataError, match="hold out fewer"):
        recording().split(6, seed=0)


def test_a_file_that_is_no_recording_says_so(tmp_path) -> None:
    path = tmp_path / "cable.npz"
    with pytest.raises(DataError, match="no recording"):
        mocap.read_recording(path)
    np.savez(path, vertices_m=np.zeros((2, 3)))
    with pytest.raises(DataError, match="shape"):
        mocap.read_recording(path)
    np.savez(path, vertices_m=np.full((2, 5, 7, 3), np.nan))
    with pytest.raises(DataError, match="not finite"):
        mocap.read_recording(path)
    np.savez(path, vertices_m=np.zeros((2, 5, 7, 3), np.float32))
    assert mocap.read_recording(path).trajectory.tolist() == [0, 1]
