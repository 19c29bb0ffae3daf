"""Implicit steps: the band of their matrix, their derivatives, the rope world, and how they say that they failed."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core.errors import SpecError
from diorama.envs.rope import Implicit, RodConfig, Rope, RopeConfig, Scheme, at_rest, constant, make_rod, straight
from diorama.envs.rope.contact import ramp, ramp_energy
from diorama.envs.rope.handles import clamp, free, move
from diorama.envs.rope.hysteresis import hysteresis, rubbing_moment, slipped, stuck_energy
from diorama.envs.rope.implicit import _order, _width
from diorama.envs.rope.linear import Banded, Dense
from diorama.envs.rope.newton import Newton, minimum
from diorama.envs.rope.self_contact import pair_braking, pair_energy, spread, touches
from diorama.envs.rope.springs import Spring, drawn
from diorama.envs.rope.springs import potential as spring_potential
from diorama.envs.rope.surroundings import on_earth
from diorama.envs.rope.validation.motion import tumbling
from diorama.imagine import rollout
from diorama.policies.constant import Constant

VERTICES, STEP, SHIFT = 6, 4e-3, 1e-5
NAMES = ("stretch", "bend", "twist", "mass", "handle", "start", "drag")


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


def test_a_ring_is_folded_so_that_its_band_holds_all_neighbours() -> None:
    for count in range(4, 14):
        position = np.argsort(_order(count, True))
        for apart in (1, 2):
            blocks = (
                position // (_width(True) // 4),
                position[(np.arange(count) + apart) % count] // (_width(True) // 4),
            )
            assert np.abs(blocks[0] - blocks[1]).max() <= 1
    np.testing.assert_array_equal(_order(5, False), np.arange(5))


def test_the_band_solves_what_a_dense_matrix_does() -> None:
    """Blocks of three, of which neighbours are coupled; where the matrix is not positive definite none solves it."""
    block = np.arange(12) // 3
    inside = np.abs(block[:, None] - block[None]) <= 1
    numbers = np.sin(np.arange(144.0)).reshape(12, 12) * inside
    whole = numbers + numbers.T
    lowest, right = np.linalg.eigvalsh(whole)[0], jnp.cos(jnp.arange(12.0))
    assert lowest < 0.0
    for solver in (Banded(), Dense()):
        blocks = solver.matrix(lambda v: jnp.asarray(whole) @ v, right, 3)
        found = solver.solve(blocks, jnp.full(12, 1.0 - lowest), right)
        np.testing.assert_allclose(
            found, np.linalg.solve(whole + np.diag(np.full(12, 1.0 - lowest)), right), rtol=1e-10
        )
        assert not np.all(np.isfinite(solver.solve(blocks, jnp.zeros(12), right)))


def test_newton_leaves_where_the_curvature_is_negative_and_says_where_it_fails() -> None:
    def valley(_, where):
        return jnp.sum((where**2 - 1.0) ** 2) + 0.1 * jnp.sum(where)

    find = jax.jit(lambda start: minimum(valley, (), start, jnp.ones(4), 2, Newton()))
    found = find(jnp.array([0.1, -0.2, 0.01, 0.3]))
    assert found.arrived
    np.testing.assert_allclose(4.0 * found.where * (found.where**2 - 1.0) + 0.1, 0.0, atol=1e-12)
    endless = minimum(lambda _, where: jnp.sum(where), (), jnp.zeros(4), jnp.ones(4), 2, Newton(iterations=5))
    assert not endless.arrived


def loss(numbers: jax.Array) -> jax.Array:
    """Where a clamped, curved, moved rod is after steps of 4 ms, as a function of shares of each of `NAMES`."""
    stretch, bend, twist, mass, handle, shift, drag = 1.0 + numbers
    place = straight(0.5, VERTICES)
    config = RodConfig(radius=0.01, young=1e7, flatness=2.0, rest_curvature=(2.0, 1.0), rest_twist=1.0)
    rod = make_rod(config, place)
    rod = dataclasses.replace(
        rod, stretch=stretch * rod.stretch, bend=bend * rod.bend, twist=twist * rod.twist, mass=mass * rod.mass
    )
    held = move(clamp(free(rod), 0), jnp.array([0, 1]), handle * jnp.array([[0.0, 0.3, 0.2], [0.0, 0.3, 0.2]]))
    start = at_rest(rod, place + 0.01 * shift * jnp.sin(3.0 * jnp.arange(3.0 * VERTICES)).reshape(-1, 3))
    around = on_earth(0.0)
    around = dataclasses.replace(around, drag=2.0 * drag, spin_drag=2.0 * drag)
    last = Implicit().travel(rod, start, around, constant(held), Scheme(jnp.asarray(STEP)), steps=2)
    return jnp.sum(last.position[0, 3:] ** 2) + jnp.sum(jnp.sin(last.angle)) + 0.01 * jnp.sum(last.velocity[0] ** 2)


def test_gradient_is_that_of_differences() -> None:
    """Along two ways, in which every number has a part."""
    both = jax.jit(jax.value_and_grad(loss))
    gradient = np.asarray(both(jnp.zeros(len(NAMES)))[1])
    assert np.all(np.abs(gradient) > 1e-6)
    for way in jnp.cos(jnp.arange(2.0 * len(NAMES)) * 1.3).reshape(2, -1):
        way = way / np.abs(gradient)
        shift = SHIFT * way / jnp.abs(way).max()
        difference = float(both(shift)[0] - both(-shift)[0]) / 2.0
        assert difference == pytest.approx(float(gradient @ shift), rel=1e-6)


def test_the_energy_of_a_contact_has_its_push_as_slope() -> None:
    gaps, smoothing = jnp.linspace(-3.0, 2.0, 51) + 0.01, jnp.asarray(0.7)
    slopes = jax.vmap(jax.grad(ramp_energy), (0, None))(gaps, smoothing)
    np.testing.assert_allclose(slopes, -ramp(gaps, smoothing), atol=1e-15)


def test_the_energy_of_pairs_has_their_push_as_slope() -> None:
    """But for the pull of almost parallel edges to their middles, which is weak."""
    rod, state, around = tumbling(0.0)
    place = state.position.at[8:, 2].add(-0.009)  # so near that the rods touch

    @jax.jit
    def both(place):
        met, itself = touches(rod, around.self_contact, place, state.velocity), around.self_contact
        harder = pair_braking(rod, itself, place, state.velocity)
        return spread(met, met.push, 16), jax.grad(pair_energy, 2)(rod, itself, place, harder)

    push, slope = both(place)
    assert np.abs(push).max() > 0.1
    np.testing.assert_allclose(push, -slope, atol=1e-2 * np.abs(push).max())


def test_the_energy_of_a_spring_has_its_force_as_slope() -> None:
    jaw = Spring(jnp.array([3.0, 3.0, 0.0]), jnp.array([0.2, 0.2, 0.0]), jnp.array([9.0, 0.5, 1.0]))
    away, told, moved = jnp.cos(jnp.arange(27.0)).reshape(3, 3, 3)
    endless = jnp.full(3, jnp.inf)  # of mass, so that damping is as it stands

    @jax.jit
    def both(step):
        slope = jax.grad(spring_potential, 3)(jaw, away, told, moved, step)
        return slope, drawn(jaw, endless, away + step * told - moved, told - moved / step, step)

    slope, force = both(jnp.asarray(0.1))
    np.testing.assert_allclose(-slope, force, atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(slope[1]), 0.5)


def test_the_energy_of_strands_has_their_moment_as_slope() -> None:
    strands, span = hysteresis((2.0, 0.3), (1.0, 9.0)), jnp.array([0.5, 2.0])
    bent, stuck = jnp.array([[1.0, 0.5], [0.1, -0.2]]), 0.1 * jnp.cos(jnp.arange(8.0)).reshape(2, 2, 2)

    @jax.jit
    def both(bent):
        there = slipped(strands, bent, stuck)
        moment = span[:, None] * rubbing_moment(strands, bent, there)
        return jax.grad(stuck_energy, 1)(strands, bent, stuck, span), moment, there

    slope, moment, there = (np.asarray(part) for part in both(bent))
    np.testing.assert_allclose(slope, moment, atol=1e-14)
    assert np.abs(there - stuck)[0, 0].min() > 0.1  # the first element slips, the second sticks
    np.testing.assert_array_equal(there[1], stuck[1])


def test_the_rope_world_takes_steps_of_ten_milliseconds() -> None:
    """In single precision, with floor, friction and fixed lengths: as the same test of the symplectic steps."""
    with jax.enable_x64(False):
        world = Rope(RopeConfig(vertices=6, substeps=2), Implicit())
        start = world.reset(world.spec.scenario.default(), jax.random.key(0))
        ahead = (start.body.position[-1] - start.body.position[0]) / 1.0
        policy = Constant(-0.5 * ahead)
        seen = jax.jit(lambda s: rollout(world, policy, s, length=10, key=jax.random.key(0)))(start)
    vertices = np.asarray(seen.observation["vertices"][-1]).reshape(6, 3)
    moved = (vertices - np.asarray(start.body.position)) @ np.asarray(ahead)
    np.testing.assert_allclose(moved, -0.1, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(np.diff(vertices, axis=0), axis=1), 0.2, rtol=1e-4)
    assert np.all(vertices[:, 2] > 0.0)
    with pytest.raises(SpecError, match="rods with rods"):
        Rope(RopeConfig(self_contact=True), Implicit()).step(start, jnp.zeros(3), jax.random.key(0))
