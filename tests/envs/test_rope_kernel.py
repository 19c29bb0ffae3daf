"""The compiled kernel against the readable rod: its states, and its adjoint against forward derivatives."""

import dataclasses
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core.errors import SpecError
from diorama.envs.rope import Plasticity, RodConfig, Rope, RopeConfig, Scheme, at_rest, make_rod, ring, straight
from diorama.envs.rope.contact import Contact
from diorama.envs.rope.execution import Kernel, Readable, best, constant
from diorama.envs.rope.handles import clamp, free, grasp, grasp_edge, move, turn
from diorama.envs.rope.hysteresis import hysteresis
from diorama.envs.rope.shapes import Box, Capsule, Plane, Shape, Sphere
from diorama.envs.rope.springs import spring
from diorama.envs.rope.surroundings import on_earth
from diorama.envs.rope.validation.motion import tumbling

pytest.importorskip("numba")

from diorama.envs.rope.kernel.compiled import forget_stale

PERIODS, STEPS = 2, 15
KERNEL = Kernel(threads=1, every=7)
FLAT = RodConfig(radius=0.01, young=1e6, flatness=2.0, rest_curvature=(2.0, 1.0), rest_twist=1.0)
RUBS = (3e3, 3e-3, 0.3, 0.25, 0.5)


def contact(*numbers: float) -> Contact:
    return Contact(*(jnp.asarray(number) for number in numbers))


def bent(place: jax.Array) -> jax.Array:
    return place + 0.02 * jnp.sin(3.0 * jnp.arange(3.0 * len(place))).reshape(-1, 3)


def yielding_on_shapes() -> tuple:
    """A flat, plastic rod that keeps its length, led over one shape of each kind."""
    place = straight(0.5, 8)
    rod = dataclasses.replace(make_rod(FLAT, bent(place)), plasticity=Plasticity(jnp.asarray(2.5), jnp.asarray(0.3)))
    shapes = (
        Plane(jnp.array([0.0, 0.1, 1.0]), jnp.asarray(-0.02)),
        Sphere(jnp.array([0.3, 0.01, -0.04]), jnp.asarray(0.05)),
        Capsule(jnp.array([0.15, -0.1, -0.03]), jnp.array([0.15, 0.1, -0.03]), jnp.asarray(0.03)),
        Box(jnp.array([0.42, 0.0, -0.04]), jnp.array([0.03, 0.03, 0.03]), jnp.asarray(0.003)),
    )
    load = 0.05 * jnp.cos(jnp.arange(24.0)).reshape(8, 3)
    around = dataclasses.replace(on_earth(0.5), shapes=shapes, contact=contact(*RUBS), force=load)
    held = move(clamp(free(rod), 0), jnp.array([0, 1]), jnp.array([[0.0, 0.3, 0.2]] * 2))
    return rod, spinning(at_rest(rod, bent(place))), around, held, Scheme(jnp.asarray(2e-4), True, 2)


def spinning(state):
    return dataclasses.replace(state, spin=5.0 * jnp.cos(jnp.arange(1.0 * len(state.spin))))


def closed_ring() -> tuple:
    """A ring that keeps its length."""
    place = ring(0.5, 8)
    rod = make_rod(dataclasses.replace(FLAT, closed=True), bent(place))
    return rod, spinning(at_rest(rod, bent(place))), on_earth(0.5), free(rod), Scheme(jnp.asarray(2e-4), True)


def ring_in_soft_hands() -> tuple:
    """The same, of strands that slip, drawn by springs to targets that move: some of them at their limit."""
    rod, state, around, held, scheme = closed_ring()
    place = state.position
    rod = dataclasses.replace(rod, hysteresis=hysteresis((0.01, 0.3), (0.02, 3.0)))
    held = grasp(held, jnp.array([2, 5]), place[jnp.array([2, 5])] + 0.01, spring(50.0, 0.5, 0.4))
    jaws = place[6:] + jnp.full((2, 3), 0.02)
    held = grasp_edge(held, 6, jaws, jnp.asarray(0.3), spring(500.0, 0.1, 100.0), spring(0.01, 1e-5, 0.002))
    held = move(held, jnp.array([2, 6, 7]), 0.3 * jnp.cos(jnp.arange(9.0)).reshape(3, 3))
    return rod, spinning(at_rest(rod, place)), around, turn(held, 6, jnp.asarray(3.0)), scheme


def two_that_rub() -> tuple:
    """Two rods that stretch, spin and slide on each other; a section of the first is held."""
    rod, state, around = tumbling(0.3)
    near = at_rest(rod, state.position.at[8:, 2].add(-0.012))
    state = dataclasses.replace(near, velocity=state.velocity, spin=state.spin)
    around = dataclasses.replace(around, self_contact=contact(3e4, 3e-3, 0.3, 0.25, 0.5))
    held = dataclasses.replace(free(rod), edges=free(rod).edges.at[3].set(1.0))
    return rod, state, around, held, Scheme(jnp.asarray(1e-4), sweeps=2)


def travelled(execution, scene: tuple):
    rod, state, around, held, scheme = scene
    return execution.travel(rod, state, around, constant(held, PERIODS), scheme, steps=STEPS)


def ways(scene: tuple) -> tuple:
    """A random change of everything that may be differentiated, as large as it is itself."""
    rod, state, around, held, scheme = scene
    leaves, tree = jax.tree.flatten((rod, state, around, held, scheme))
    keys = jax.random.split(jax.random.key(0), len(leaves))
    change = [
        jax.random.normal(key, leaf.shape, float) * (0.1 * jnp.abs(leaf) + 1e-3 * jnp.abs(leaf).max(initial=0.0))
        for key, leaf in zip(keys, leaves, strict=True)
    ]
    rod, state, around, held, scheme = jax.tree.unflatten(tree, change)
    still = jax.tree.map(jnp.zeros_like, (rod.present, state.frames, held.vertices, held.edges, scheme))
    rod = dataclasses.replace(rod, present=still[0])
    held = dataclasses.replace(held, vertices=still[2], edges=still[3])
    return rod, dataclasses.replace(state, frames=still[1]), around, held, still[4]


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("make", [yielding_on_shapes, ring_in_soft_hands, two_that_rub])
def test_states_agree_and_the_adjoint_is_that_of_forward_derivatives(make) -> None:
    scene = jax.jit(make)()
    way = jax.jit(ways)(scene)
    expected, forward = jax.jit(lambda: jax.jvp(lambda s: travelled(Readable(), s), (scene,), (way,)))()
    weights = jax.tree.map(lambda leaf: np.cos(np.arange(1.0 * leaf.size)).reshape(leaf.shape), expected)
    # Not by the vectors of the frames: along themselves they have no derivative that means anything.
    frames = {id(leaf) for leaf in (weights.frames.tangent, weights.frames.director)}
    weights = jax.tree.map(lambda leaf: 0.0 * leaf if id(leaf) in frames else leaf, weights)

    @jax.jit
    def there_and_back(scene, weights):
        found, back = jax.vjp(lambda s: travelled(KERNEL, s), scene)
        return found, back(weights)[0]

    found, slopes = there_and_back(scene, jax.tree.map(jnp.asarray, weights))
    for name in ("position", "velocity", "angle", "spin", "rest_curvature"):
        size = float(np.abs(getattr(expected, name)).max()) + 1e-3
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-10 * size)
    if expected.stuck is not None:
        assert np.abs(expected.stuck - scene[1].stuck[None]).max((1, 2, 3)).min() > 1e-3  # they slip
        np.testing.assert_allclose(found.stuck, expected.stuck, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.frames.director, expected.frames.director, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.frames.twist, expected.frames.twist, rtol=0, atol=1e-10)
    products = [inner(weights, forward), inner(slopes, way)]
    scale = inner(jax.tree.map(np.abs, weights), jax.tree.map(np.abs, forward))
    assert abs(products[0] - products[1]) <= 1e-10 * scale


def inner(one, other) -> float:
    return float(
        sum(
            np.sum(np.asarray(a) * np.asarray(b))
            for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
        )
    )


def test_a_batch_is_that_of_single_ropes_with_and_without_jax() -> None:
    rod, state, around, held, scheme = jax.jit(yielding_on_shapes)()
    stiffer = jax.vmap(lambda share: dataclasses.replace(rod, bend=share * rod.bend))(jnp.array([1.0, 2.0, 3.0]))

    @jax.jit
    def both(stiffer):
        batched = jax.vmap(lambda one: travelled(Kernel(threads=2), (one, state, around, held, scheme)))(stiffer)
        return batched, travelled(KERNEL, (jax.tree.map(lambda leaf: leaf[2], stiffer), state, around, held, scheme))

    batched, third = both(stiffer)
    np.testing.assert_array_equal(batched.position[2], third.position)
    states = jax.tree.map(lambda leaf: np.repeat(leaf[None], 3, 0), state)
    grips = jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf)[None, None], PERIODS, 1), held)
    arounds = jax.tree.map(lambda leaf: np.repeat(leaf[None], 3, 0), around)
    plain = Kernel(threads=2).batch(stiffer, states, arounds, grips, scheme, steps=STEPS)
    np.testing.assert_allclose(plain.position, batched.position, rtol=0, atol=1e-14)


def test_all_checkpoints_give_the_same_gradient() -> None:
    scene = jax.jit(closed_ring)()

    def height(kernel: Kernel, rod):
        return jnp.sum(travelled(kernel, (rod, *scene[1:])).position[..., 2] ** 2)

    kernels = [Kernel(1, every) for every in (1, 4, 100)]
    slopes = jax.jit(lambda rod: [jax.grad(height, 1)(kernel, rod).bend for kernel in kernels])(scene[0])
    np.testing.assert_array_equal(slopes[0], slopes[1])
    np.testing.assert_array_equal(slopes[0], slopes[2])


def test_the_world_is_the_same_with_the_kernel() -> None:
    config = RopeConfig(vertices=6, substeps=4)
    with jax.enable_x64(False):
        worlds = [Rope(config), Rope(config, Kernel(1))]
        key = jax.random.key(0)
        start = worlds[0].reset(worlds[0].spec.scenario.default(), key)
        ends = [jax.jit(world.step)(start, jnp.array([0.3, 0.0, 0.2]), key).body for world in worlds]
    assert ends[1].position.dtype == jnp.float32
    np.testing.assert_allclose(ends[1].position, ends[0].position, atol=1e-5)


class Egg(Shape):
    """A shape of somebody else."""

    def distance(self, point):
        return jnp.sum(point) - 1.0


def test_what_the_kernel_cannot_do_it_says() -> None:
    rod, state, around, held, scheme = jax.jit(closed_ring)()
    with pytest.raises(SpecError, match="knows no Egg"):
        travelled(KERNEL, (rod, state, dataclasses.replace(around, shapes=(Egg(),)), held, scheme))
    with pytest.raises(SpecError, match="at least one"):
        KERNEL.travel(rod, state, around, constant(held), scheme, steps=0)
    assert isinstance(best(), Kernel)


def test_without_numba_ropes_are_carried_by_jax(monkeypatch, caplog) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert isinstance(best(), Readable)
    assert "numba is missing" in caplog.text
    rod, state, around, held, scheme = jax.jit(closed_ring)()
    with pytest.raises(SpecError, match="extra `rope`"):
        travelled(KERNEL, (rod, state, around, held, scheme))


def test_machine_code_older_than_any_source_is_forgotten(tmp_path) -> None:
    (tmp_path / "__pycache__").mkdir()
    ages = {"called.py": 20.0, "__pycache__/old.nbi": 15.0, "calls.py": 10.0, "__pycache__/new.nbi": 5.0}
    for name, age in ages.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    forget_stale(tmp_path)
    assert [one.name for one in (tmp_path / "__pycache__").iterdir()] == ["new.nbi"]
