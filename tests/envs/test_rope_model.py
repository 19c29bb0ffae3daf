"""The rod's forces against the gradient of its energy, its frames, and motions that change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.envs.rope import RodConfig, elastic_energy, elastic_forces, make_rod, ring, straight
from diorama.envs.rope.energy import curvature, twist
from diorama.envs.rope.frames import Frames, advance, first_frames, material

VERTICES = 12


def crumpled(closed: bool):
    """A flat section with rest curvature and rest twist, bent and twisted at random."""
    flat = ring(1.0, VERTICES) if closed else straight(1.0, VERTICES)
    config = RodConfig(closed=closed, flatness=3.0, rest_curvature=(2.0, 1.0), rest_twist=0.7)
    rod = make_rod(config, flat)
    where, turn = jax.random.split(jax.random.key(0))
    position = flat + 0.03 * jax.random.normal(where, flat.shape, float)
    angle = jax.random.normal(turn, rod.rest_length.shape, float)
    return rod, position, angle, advance(first_frames(position, closed), position, closed)


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("closed", [False, True])
def test_forces_are_the_gradient_of_the_energy(closed: bool) -> None:
    rod, position, angle, frames = crumpled(closed)
    slopes = jax.jit(jax.grad(elastic_energy, (1, 2)))(rod, position, angle, frames, rod.rest_curvature)
    forces = jax.jit(elastic_forces)(rod, position, angle, frames, rod.rest_curvature)
    for slope, force in zip(slopes, forces, strict=True):
        np.testing.assert_allclose(force, -slope, rtol=0, atol=1e-12 * float(jnp.abs(slope).max()))


@pytest.mark.parametrize("closed", [False, True])
def test_a_moved_and_turned_rod_has_turned_forces(closed: bool) -> None:
    rod, position, angle, frames = crumpled(closed)
    turn = jnp.linalg.qr(jax.random.normal(jax.random.key(3), (3, 3), float))[0]
    turn = turn * jnp.sign(jnp.linalg.det(turn))
    turned = Frames(frames.tangent @ turn.T, frames.director @ turn.T, frames.twist)
    forces = jax.jit(elastic_forces)
    force, torque = forces(rod, position, angle, frames, rod.rest_curvature)
    there, torque_there = forces(rod, position @ turn.T + 5.0, angle, turned, rod.rest_curvature)
    size = float(jnp.abs(force).max())
    np.testing.assert_allclose(there, force @ turn.T, rtol=0, atol=1e-10 * size)
    np.testing.assert_allclose(torque_there, torque, rtol=0, atol=1e-10 * float(jnp.abs(torque).max()))


def test_forces_add_up_to_nothing() -> None:
    """No net force, and the moment of the forces is that of the torques along their edges."""
    rod, position, angle, frames = crumpled(False)
    force, torque = jax.jit(elastic_forces)(rod, position, angle, frames, rod.rest_curvature)
    size = float(jnp.abs(force).max())
    np.testing.assert_allclose(force.sum(0), 0.0, atol=1e-12 * size)
    moment = jnp.cross(position, force).sum(0) + torque @ frames.tangent
    np.testing.assert_allclose(moment, 0.0, atol=1e-12 * size)


def test_frames_stay_upright_through_ten_turns() -> None:
    """One end is twisted by ten turns in the frames while the rod stays; the twist is counted, not wrapped."""
    rod, position, _, frames = crumpled(False)
    turns = 20.0 * jnp.pi
    following = advance(Frames(frames.tangent, frames.director, frames.twist + turns), position, False)
    np.testing.assert_allclose(following.twist, frames.twist + turns, atol=1e-9)
    first, second = material(following, jnp.linspace(0.0, 50.0, VERTICES - 1))
    np.testing.assert_allclose(jnp.cross(first, second), following.tangent, atol=1e-12)


def test_an_arc_has_the_curvature_of_its_circle() -> None:
    circle = ring(1.0, 24)
    rod = make_rod(RodConfig(closed=True), circle)
    frames, zero = first_frames(circle, True), jnp.zeros(24)
    bent = jnp.linalg.norm(curvature(rod, frames, zero), axis=-1)
    np.testing.assert_allclose(bent, 2.0 * np.tan(np.pi / 24), rtol=1e-12)
    np.testing.assert_allclose(twist(rod, frames, zero), 0.0, atol=1e-12)
