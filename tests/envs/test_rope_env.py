"""The rope as a world: its contract, its gradient with respect to actions, its parts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core.errors import ConfigError, DioramaError, SpecError
from diorama.envs.rope import (
    Load,
    RodConfig,
    Rope,
    RopeConfig,
    Scheme,
    at_rest,
    equilibrium,
    make_rod,
    ring,
    simulate,
    straight,
)
from diorama.envs.rope.handles import (
    clamp,
    free,
    going_on,
    grasp,
    grasp_edge,
    hold,
    inverse_mass,
    move,
    release,
    release_edges,
    sprung,
    turn,
)
from diorama.envs.rope.hysteresis import hysteresis
from diorama.envs.rope.integrator import slipped_on
from diorama.envs.rope.projection import project
from diorama.envs.rope.self_contact import nearest
from diorama.envs.rope.shapes import Box, Capsule, Plane, Sphere
from diorama.envs.rope.springs import spring
from diorama.envs.rope.statics import no_load
from diorama.envs.rope.surroundings import empty_space
from diorama.envs.rope.topology import edges_of
from diorama.imagine import rollout
from diorama.policies.constant import Constant

KEY = jax.random.key(0)


def test_rope_is_pulled_along_and_keeps_its_length() -> None:
    world = Rope(RopeConfig(vertices=6))
    start = world.reset(world.spec.scenario.default(), KEY)
    ahead = (start.body.position[-1] - start.body.position[0]) / 1.0
    policy = Constant(-0.5 * ahead)
    seen = jax.jit(lambda s: rollout(world, policy, s, length=10, key=KEY))(start)
    vertices = np.asarray(seen.observation["vertices"][-1]).reshape(6, 3)
    moved = (vertices - np.asarray(start.body.position)) @ np.asarray(ahead)
    np.testing.assert_allclose(moved, -0.1, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(np.diff(vertices, axis=0), axis=1), 0.2, rtol=1e-4)
    assert np.all(vertices[:, 2] > 0.0)


@pytest.mark.parametrize("closed", [False, True])
def test_projection_keeps_lengths_and_momentum(closed: bool) -> None:
    with jax.enable_x64(True):
        place = ring(1.0, 9) if closed else straight(1.0, 9)
        place = place + 0.02 * jax.random.normal(KEY, place.shape, float)
        rod = make_rod(RodConfig(closed=closed), place)
        velocity, step = jax.random.normal(jax.random.key(1), place.shape, float), jnp.asarray(1e-3)
        kept, _ = project(rod, place, velocity, inverse_mass(rod, free(rod)), step)
        lengths = jnp.linalg.norm(edges_of(place + step * kept, closed), axis=-1)
        np.testing.assert_allclose(lengths, rod.rest_length, rtol=1e-12)
        change = rod.mass[:, None] * (kept - velocity)
        np.testing.assert_allclose(change.sum(0), 0.0, atol=1e-12)
        np.testing.assert_allclose(jnp.cross(place, change).sum(0), 0.0, atol=1e-12)


def test_handles_hold_and_let_go() -> None:
    @jax.jit
    def made() -> tuple:
        rod, ring_of_five = make_rod(RodConfig(), straight(1.0, 5)), make_rod(RodConfig(closed=True), ring(1.0, 5))
        held = move(clamp(hold(free(rod), 4), 0), 4, jnp.array([1.0, 2.0, 3.0]))
        return held, release(held, 4), clamp(free(ring_of_five), 4)

    held, loose, closed = made()
    np.testing.assert_array_equal(held.vertices, [1, 1, 0, 0, 1])
    np.testing.assert_array_equal(held.edges, [1, 0, 0, 0])
    np.testing.assert_array_equal(held.velocity[4], [1, 2, 3])
    np.testing.assert_array_equal(loose.vertices, [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(closed.vertices, [1, 0, 0, 0, 1])


def test_handles_that_give_way_are_taken_moved_and_let_go() -> None:
    place = np.array([[0.25, 0.0, 0.1], [0.5, 0.0, 0.1]], np.float32)

    @jax.jit
    def made(ends: jax.Array) -> tuple:
        rod, jaw = make_rod(RodConfig(), straight(1.0, 5)), spring(100.0, 1.0, 6.0)
        held = grasp_edge(free(rod), 1, ends, jnp.asarray(0.2), jaw, spring(1.0, 0.1, 0.05))
        held = turn(move(grasp(held, 4, ends[0], jaw), 4, jnp.array([1.0, 2.0, 3.0])), 1, jnp.asarray(5.0))
        felt = sprung(rod, held, at_rest(rod, straight(1.0, 5)), jnp.asarray(1e-4))
        return held, going_on(held, 0.5, 3), felt, release_edges(release(held, 4), 1)

    held, on, (force, torque), alone = made(jnp.asarray(place))
    np.testing.assert_array_equal(held.vertices, 0)
    np.testing.assert_array_equal(held.springs.pull.stiffness, [0, 100, 100, 0, 100])
    np.testing.assert_allclose(held.springs.place[1:3], place)
    np.testing.assert_allclose(np.asarray(on.springs.place)[2, 4] - place[0], [1.0, 2.0, 3.0])
    np.testing.assert_allclose(on.springs.angle[:, 1], [0.2, 2.7, 5.2], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(force, axis=1)[[0, 1, 4]], [0, 6, 6], rtol=1e-6)  # at their limit
    np.testing.assert_allclose(torque, [0, 0.05, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(alone.springs.pull.limit, [0, 6, 6, 0, 0])
    np.testing.assert_array_equal(alone.springs.twist.limit, 0)


def test_shapes_know_their_distance() -> None:
    point, one = jnp.array([0.0, 3.0, 4.0]), jnp.asarray(1.0)
    assert float(Sphere(jnp.zeros(3), one).distance(point)) == pytest.approx(4.0)
    assert float(Plane(jnp.array([0.0, 0.0, 2.0]), one).distance(point)) == pytest.approx(3.0)
    assert float(Capsule(jnp.zeros(3), jnp.array([0.0, 0.0, 9.0]), one).distance(point)) == pytest.approx(2.0)
    box = Box(jnp.zeros(3), jnp.array([1.0, 1.0, 4.0]), jnp.asarray(0.5))
    assert float(box.distance(point)) == pytest.approx(1.5)
    assert float(box.distance(jnp.zeros(3))) == pytest.approx(-1.5)


def test_nearest_points_of_segments() -> None:
    first = jnp.array([[2.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    second = jnp.array([[0.0, 2.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    between = jnp.array([[0.5, -0.5, 1.0], [2.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    share, other = nearest(first, second, between)
    np.testing.assert_allclose(share, [0.25, 1.0, 0.5], atol=2e-3)
    np.testing.assert_allclose(other, [0.25, 0.0, 0.5], atol=2e-3)


def test_errors_name_the_mend() -> None:
    with pytest.raises(ConfigError, match="positive"):
        RodConfig(radius=0.0)
    with pytest.raises(ConfigError, match="at least one"):
        RopeConfig(held=())
    rod = make_rod(RodConfig(), straight(1.0, 4))
    state = at_rest(rod, straight(1.0, 4))
    with pytest.raises(SpecError, match="divide"):
        simulate(rod, state, empty_space(), free(rod), Scheme(jnp.asarray(1e-4)), steps=3, records=2)
    rubs = dataclasses.replace(rod, hysteresis=hysteresis((1e-3, 1.0)))
    with pytest.raises(SpecError, match="at_rest"):
        slipped_on(rubs, state, state.frames)
    with pytest.raises(SpecError, match="with drag"):
        equilibrium(rubs, state, no_load(rod), free(rod))
    pull = Load(jnp.full((4, 3), 1.0), jnp.zeros(3), jnp.zeros(3))
    with pytest.raises(DioramaError, match="in parts"):
        equilibrium(rod, state, pull, free(rod), iterations=2)
