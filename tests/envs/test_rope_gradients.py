"""Derivatives through time against differences, for parameters, handles and the start, with and without contact."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.envs.rope import Plasticity, RodConfig, Scheme, at_rest, best, constant, make_rod, straight
from diorama.envs.rope.contact import coulomb
from diorama.envs.rope.handles import clamp, free, grasp, hold, move
from diorama.envs.rope.hysteresis import Hysteresis
from diorama.envs.rope.shapes import Plane
from diorama.envs.rope.springs import Spring
from diorama.envs.rope.surroundings import on_earth
from diorama.envs.rope.validation.contact import _contact

STEPS, STEP = 200, 2e-6
NAMES = ("stretch", "bend", "twist", "mass", "handle", "start", "yield", "grasp", "target", "strands", "slip")


def loss(numbers: jax.Array) -> jax.Array:
    """Where a clamped, curved, yielding, rubbing rod is that a spring draws, as a function of shares of `NAMES`."""
    stretch, bend, twist, mass, handle, shift, yields, grasped, target, strands, slip = 1.0 + numbers
    place = straight(0.5, 8, (1.0, 0.0, 0.0))
    config = RodConfig(radius=0.01, young=1e6, flatness=2.0, rest_curvature=(2.0, 1.0), rest_twist=1.0)
    rod = make_rod(config, place)
    plastic = Plasticity(2.5 * yields, jnp.asarray(0.3))
    rod = dataclasses.replace(
        rod, stretch=stretch * rod.stretch, bend=bend * rod.bend, twist=twist * rod.twist, mass=mass * rod.mass
    )
    rubs = Hysteresis(strands * jnp.array([1e-3]), slip * jnp.array([0.5]))
    rod = dataclasses.replace(rod, plasticity=plastic, hysteresis=rubs)
    bent = place + 0.02 * shift * jnp.sin(3.0 * jnp.arange(24.0)).reshape(8, 3)
    handles = clamp(free(rod), 0)
    for vertex in (0, 1):
        handles = move(handles, vertex, handle * jnp.array([0.0, 0.3, 0.2]))
    jaw = Spring(*(grasped * jnp.array([20.0, 0.1, 0.2])))
    handles = move(grasp(handles, 7, target * place[7], jaw), 7, handle * jnp.array([0.0, 0.1, 0.0]))
    scheme = Scheme(jnp.asarray(2e-4))
    last = best(1).travel(rod, at_rest(rod, bent), on_earth(0.5), constant(handles), scheme, steps=STEPS)
    return jnp.sum(last.position[0, 4:] ** 2) + jnp.sum(jnp.sin(last.angle))


@pytest.fixture(scope="module")
def slopes() -> dict[str, np.ndarray]:
    """The gradient, and central differences."""
    with jax.enable_x64(True):
        return gradient_and_differences(loss, len(NAMES))


def gradient_and_differences(function, count: int) -> dict[str, np.ndarray]:
    """Of a function of so many numbers, at zeros."""
    shifts = STEP * jnp.concatenate([jnp.eye(count), -jnp.eye(count), jnp.zeros((1, count))])
    # One program for values and gradient: compiling costs far more than the gradients that nobody looks at.
    values, gradients = (np.asarray(part) for part in jax.jit(jax.vmap(jax.value_and_grad(function)))(shifts))
    differences = (values[:count] - values[count:-1]) / (2.0 * STEP)
    return {"gradient": gradients[-1], "differences": differences}


def test_gradient_is_that_of_differences(slopes) -> None:
    assert np.all(np.abs(slopes["gradient"]) > 1e-7)
    np.testing.assert_allclose(slopes["gradient"], slopes["differences"], rtol=1e-6, atol=1e-9)


def dragged(numbers: jax.Array) -> jax.Array:
    """Where a rope ends that is dragged over a floor while its far half sticks."""
    handle, friction, mass, bend = 1.0 + numbers
    place = straight(0.5, 10) + jnp.array([[0.0, 0.0, 0.0045]])
    rod = make_rod(RodConfig(radius=0.005, young=1e6), place)
    rod = dataclasses.replace(rod, mass=mass * rod.mass, bend=bend * rod.bend)
    rubs = dataclasses.replace(_contact(0.6, 0.4, 1e4, 1e-3, 1.0), kinetic_friction=0.4 * friction)
    around = dataclasses.replace(
        on_earth(1.0), shapes=(Plane(jnp.array([0.0, 0.0, 1.0]), jnp.zeros(())),), contact=rubs
    )
    held = move(hold(free(rod), 0), 0, handle * jnp.array([0.05, 0.2, 0.02]))
    scheme = Scheme(jnp.asarray(2e-4), inextensible=True, sweeps=2)
    last = best(1).travel(rod, at_rest(rod, place), around, constant(held), scheme, steps=1000)
    return jnp.sum(last.position[0] * jnp.cos(jnp.arange(30.0)).reshape(10, 3))


def test_gradient_through_sticking_contact() -> None:
    with jax.enable_x64(True):
        found = gradient_and_differences(dragged, 4)
    size = np.abs(found["differences"]).max()
    np.testing.assert_allclose(found["gradient"], found["differences"], rtol=1e-2, atol=1e-3 * size)


def test_friction_stops_or_slides() -> None:
    with jax.enable_x64(True):
        contact = _contact(0.5, 0.3, 1.0, 1.0)
        wanted = jnp.array([[0.4, 0.0, 0.0], [0.0, 2.0, 0.0]])
        told = coulomb(contact, wanted, jnp.ones(2))
    np.testing.assert_allclose(told, [[0.4, 0.0, 0.0], [0.0, 0.3, 0.0]], atol=1e-15)
