"""Derivatives through time against differences, for parameters, handles and the start, without contact."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.envs.rope import Plasticity, RodConfig, Scheme, at_rest, make_rod, simulate, straight
from diorama.envs.rope.contact import coulomb
from diorama.envs.rope.handles import clamp, free, move
from diorama.envs.rope.surroundings import on_earth
from diorama.envs.rope.validation.contact import _contact

STEPS, STEP = 200, 2e-6
NAMES = ("stretch", "bend", "twist", "mass", "handle", "start", "yield")


def loss(numbers: jax.Array) -> jax.Array:
    """Where a clamped, curved, yielding rod is after a while, as a function of shares of each of `NAMES`."""
    stretch, bend, twist, mass, handle, shift, yields = 1.0 + numbers
    place = straight(0.5, 8, (1.0, 0.0, 0.0))
    config = RodConfig(radius=0.01, young=1e6, flatness=2.0, rest_curvature=(2.0, 1.0), rest_twist=1.0)
    rod = make_rod(config, place)
    plastic = Plasticity(2.5 * yields, jnp.asarray(0.3))
    rod = dataclasses.replace(
        rod, stretch=stretch * rod.stretch, bend=bend * rod.bend, twist=twist * rod.twist, mass=mass * rod.mass
    )
    rod = dataclasses.replace(rod, plasticity=plastic)
    bent = place + 0.02 * shift * jnp.sin(3.0 * jnp.arange(24.0)).reshape(8, 3)
    handles = clamp(free(rod), 0)
    for vertex in (0, 1):
        handles = move(handles, vertex, handle * jnp.array([0.0, 0.3, 0.2]))
    scheme = Scheme(jnp.asarray(2e-4))
    last = simulate(rod, at_rest(rod, bent), on_earth(0.5), handles, scheme, steps=STEPS)[0]
    return jnp.sum(last.position[4:] ** 2) + jnp.sum(jnp.sin(last.angle))


@pytest.fixture(scope="module")
def slopes() -> dict[str, np.ndarray]:
    """The gradient, the derivative along a direction by forward mode, and central differences in one program."""
    with jax.enable_x64(True):
        along = jax.random.normal(jax.random.key(0), (len(NAMES),), float)

        def everything(numbers: jax.Array) -> tuple:
            shifts = STEP * jnp.concatenate([jnp.eye(len(NAMES)), -jnp.eye(len(NAMES))])
            values = jax.lax.map(lambda shift: loss(numbers + shift), shifts)
            differences = (values[: len(NAMES)] - values[len(NAMES) :]) / (2.0 * STEP)
            forward = jax.jvp(loss, (numbers,), (along,))[1]
            return jax.grad(loss)(numbers), forward, differences

        gradient, forward, differences = jax.jit(everything)(jnp.zeros(len(NAMES)))
        found = {"gradient": gradient, "forward": forward, "differences": differences, "along": along}
        return {name: np.asarray(value) for name, value in found.items()}


def test_gradient_is_that_of_differences(slopes) -> None:
    assert np.all(np.abs(slopes["gradient"]) > 1e-7)
    np.testing.assert_allclose(slopes["gradient"], slopes["differences"], rtol=1e-6, atol=1e-9)


def test_backward_and_forward_agree(slopes) -> None:
    expected = float(slopes["forward"])
    assert abs(float(slopes["gradient"] @ slopes["along"]) - expected) < 1e-10 * max(1.0, abs(expected))


def test_friction_stops_or_slides() -> None:
    with jax.enable_x64(True):
        contact = _contact(0.5, 0.3, 1.0, 1.0)
        wanted = jnp.array([[0.4, 0.0, 0.0], [0.0, 2.0, 0.0]])
        told = coulomb(contact, wanted, jnp.ones(2))
    np.testing.assert_allclose(told, [[0.4, 0.0, 0.0], [0.0, 0.3, 0.0]], atol=1e-15)
