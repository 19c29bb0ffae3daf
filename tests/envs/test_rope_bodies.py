"""Rods and free rigid bodies: what they keep together, closed forms, derivatives, inertia."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core.errors import SpecError
from diorama.envs.rope import (
    Bodies,
    Implicit,
    RodConfig,
    Rope,
    RopeConfig,
    Scheme,
    Together,
    at_rest,
    ball,
    bolt,
    brick,
    make_rod,
    still,
    straight,
)
from diorama.envs.rope.bodies import drifted, feet, rotation
from diorama.envs.rope.contact import Contact
from diorama.envs.rope.env_config import BodyConfig, GripConfig
from diorama.envs.rope.handles import free
from diorama.envs.rope.shapes import Plane
from diorama.envs.rope.surroundings import empty_space, on_earth
from diorama.envs.rope.together import momenta, simulate_together, substep_together
from diorama.envs.rope.validation import CASES

SHIFT = 1e-6


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


def test_a_brick_rests_on_a_slope_and_a_ball_rolls() -> None:
    rows = CASES["V31 slope of bodies"]()
    wrong = [f"{row.quantity}: {row.value}, not {row.expected}" for row in rows if not row.passed]
    assert not wrong, "\n".join(wrong)


def test_a_free_body_keeps_energy_as_it_tumbles() -> None:
    """About its middle axis, which is unstable: the error of energy falls with the square of the step."""
    body = brick((0.3, 0.2, 0.1), 1.0)
    begun = dataclasses.replace(still(body, (0.0, 0.0, 0.0)), angular=jnp.array([1e-3, 0.2, 0.0]))

    def energy(state):
        spun = rotation(state.turn).T @ state.angular
        return 0.5 * jnp.sum(spun**2 / body.inertia)

    def change(step, count):
        last = jax.lax.fori_loop(0, count, lambda _, now: drifted(body, now, step), begun)
        return jnp.abs(energy(last) / energy(begun) - 1.0), jnp.abs(rotation(last.turn) - jnp.eye(3)).max()

    run = jax.jit(change)
    (coarse, moved), (fine, _) = (run(jnp.asarray(4.0 / count), count) for count in (400, 800))
    assert moved > 1.0
    assert coarse < 1e-3
    assert 3.0 < coarse / fine < 9.0


def thrown(numbers: jax.Array):
    """Of a rod thrown at a brick: a number that tells where both end, and the momenta of both before and after."""
    speed, friction, mass, bend = 1.0 + numbers
    place = straight(0.3, 5) + jnp.array([[0.0, 0.01, 0.061]])
    rod = make_rod(RodConfig(radius=0.01, young=1e6), place)
    rod = dataclasses.replace(rod, bend=bend * rod.bend)
    kind = brick((0.05, 0.04, 0.05), 0.2, 0.01)
    kind = dataclasses.replace(kind, mass=mass * kind.mass)
    rubs = Contact(*(jnp.asarray(value) for value in (1e5, 2e-3, 0.0, 0.0, 1.0)))
    rubs = dataclasses.replace(rubs, static_friction=0.5 * friction, kinetic_friction=0.5 * friction)
    toss = speed * jnp.broadcast_to(jnp.array([0.3, 0.1, -1.0]), place.shape)
    rope = dataclasses.replace(at_rest(rod, place), velocity=toss, spin=jnp.full(4, 5.0))
    turned = dataclasses.replace(still(kind, (0.12, 0.0, 0.0)), angular=jnp.array([1e-4, 3e-4, 2e-4]))
    start, bodies = Together(rope, (turned,)), Bodies((kind,), contact=rubs, sweeps=2)
    scheme = Scheme(jnp.asarray(2e-4))
    last, _ = simulate_together(rod, bodies, start, empty_space(), free(rod), scheme, steps=100)
    moved = last.bodies[0]
    number = moved.momentum @ jnp.array([1.0, 0.5, 0.3]) + 100.0 * jnp.sum(moved.angular) + last.rod.position[0, 2]
    return number, jnp.stack([jnp.stack(momenta(rod, state)) for state in (start, last)])


def test_momentum_is_kept_and_derivatives_are_those_of_differences() -> None:
    along = jax.jit(lambda at, way: jax.jvp(thrown, (at,), (way,), has_aux=True))
    for way in (jnp.array([1.0, 1.0, 1.0, 1.0]), jnp.array([0.3, -1.0, -0.7, 2.0])):
        _, slope, (before, after) = along(jnp.zeros(4), way)
        difference = (along(SHIFT * way, way)[0] - along(-SHIFT * way, way)[0]) / (2.0 * SHIFT)
        assert abs(slope) > 1e-3
        assert float(slope) == pytest.approx(float(difference), rel=1e-5)
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-12)


def test_the_rope_world_pushes_a_ball_with_a_soft_grip() -> None:
    """In single precision; an edge has a point to push with there. The target of the grip runs ahead, but not away."""
    ball_of = BodyConfig(half=(0.04, 0.04, 0.04), ahead=0.083, aside=0.06, round=True)
    grip = GripConfig(stiffness=200.0, damping=2.0, strength=0.5)
    config = RopeConfig(vertices=4, substeps=80, control_period=0.04, grip=grip, bodies=(ball_of,))
    with jax.enable_x64(False):
        world = Rope(config)
        begun = state = jax.jit(world.reset)(world.spec.scenario.default(), jax.random.key(0))
        ahead = np.asarray(state.body.position[-1] - state.body.position[0])
        left = np.array([-ahead[1], ahead[0], 0.0], np.float32)
        step = jax.jit(world.step)
        for _ in range(8):
            state = step(state, jnp.asarray(0.5 * left), jax.random.key(0))
        with pytest.raises(SpecError, match="use the execution `Readable`"):
            Rope(config, Implicit()).step(state, jnp.asarray(left), jax.random.key(0))
        seen = world.observe(state)
    assert {name: value.shape for name, value in seen.items()} == {
        name: spec.shape for name, spec in world.spec.observation.items()
    }
    before = (np.asarray(state.targets) - np.asarray(state.body.position[:1]))[0] @ left
    pushed = (np.asarray(state.bodies[0].place) - np.asarray(begun.bodies[0].place)) @ left
    assert pushed > 0.03
    assert 0.001 < before < 0.5 * 0.04 + 0.5 / 200.0 + 1e-4  # a step beyond where the force is largest


def test_bodies_have_the_inertia_of_what_they_are() -> None:
    """Against the mean of squares over points that fill them."""
    side = (jnp.arange(50) + 0.5) / 25.0 - 1.0
    points = jnp.stack(jnp.meshgrid(side, side, side, indexing="ij"), -1).reshape(-1, 3)
    for body, reach in ((ball(0.5, 2.0), 0.5), (brick((0.5, 0.3, 0.2), 2.0), 0.5), (bolt(0.4, 0.2, 2.0), 0.6)):
        inside = np.asarray(points * reach)[np.asarray(jax.vmap(body.shape.distance)(points * reach)) < 0.0]
        squares = 2.0 * (inside**2).mean(0)
        np.testing.assert_allclose(body.inertia, squares.sum() - squares, rtol=0.02)
    assert [
        len(feet(kind.shape)[0]) for kind in (ball(1.0, 1.0), bolt(1.0, 1.0, 1.0), brick((1.0, 1.0, 1.0), 1.0))
    ] == [1, 2, 8]


def test_errors_name_the_mend() -> None:
    with pytest.raises(SpecError, match="sphere, capsule or box"):
        feet(Plane(jnp.array([0.0, 0.0, 1.0]), jnp.zeros(())))
    rod = make_rod(RodConfig(), straight(1.0, 4))
    alone = Together(at_rest(rod, straight(1.0, 4)), ())
    with pytest.raises(SpecError, match="one for each"):
        substep_together(rod, Bodies((ball(1.0, 1.0),)), alone, on_earth(), free(rod), Scheme(jnp.asarray(1e-4)))
