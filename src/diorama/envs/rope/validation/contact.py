"""Friction: the rope around a post, the rope on a slope."""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diorama.envs.rope.config import RodConfig
from diorama.envs.rope.contact import Contact
from diorama.envs.rope.execution import best, constant
from diorama.envs.rope.handles import free, hold, move
from diorama.envs.rope.integrator import Scheme
from diorama.envs.rope.rod import Rod, RodState, at_rest, make_rod, straight, uniform_rod
from diorama.envs.rope.shapes import Capsule, Plane
from diorama.envs.rope.surroundings import Surroundings
from diorama.envs.rope.topology import edges_of
from diorama.envs.rope.validation.result import Result

_POST, _EDGE, _TAIL = 0.05, 0.008, 6
_WEIGHT = 1.0


def _contact(static: float, kinetic: float, stiffness: float, smoothing: float, damping: float = 0.0) -> Contact:
    return Contact(*(jnp.asarray(value, float) for value in (stiffness, smoothing, static, kinetic, damping)))


def _over_post() -> tuple[Rod, Array]:
    """A limp rope over half of a post, with two tails that hang down; its edges are a sixth of the post's radius."""
    radius = 0.001
    turn = math.pi * (_POST + radius)
    around = round(turn / _EDGE)
    angle = jnp.linspace(math.pi, 0.0, around + 1)
    arc = (_POST + radius) * jnp.stack([jnp.cos(angle), jnp.sin(angle), jnp.zeros_like(angle)], -1)
    down = jnp.arange(1, _TAIL + 1)[:, None] * jnp.array([[0.0, -_EDGE, 0.0]])
    place = jnp.concatenate([(arc[:1] + down)[::-1], arc, arc[-1:] + down])
    numbers = {"stretch": 400.0, "twist": 1e-7, "line_density": 0.1, "polar_density": 5e-8, "radius": radius}
    arrays = {name: jnp.asarray(value, float) for name, value in numbers.items()}
    return uniform_rod(place, bend=jnp.full(2, 1e-7), **arrays), place


def capstan() -> list[Result]:
    """V17: the pull that draws a weight around half of a post. Without damped contact the rope chatters on the post."""
    rod, place = _over_post()
    post = Capsule(jnp.array([0.0, 0.0, -1.0]), jnp.array([0.0, 0.0, 1.0]), jnp.asarray(_POST))
    last = place.shape[0] - 1
    weight = jnp.zeros_like(place).at[0, 1].set(-_WEIGHT)
    held = move(hold(free(rod), last), last, jnp.array([0.0, -0.02, 0.0]))

    def ratio(friction: Array) -> Array:
        """Of the tensions at both ends, over the time of the pull."""
        contact = dataclasses.replace(
            _contact(0.0, 0.0, 1e6, 1e-4, 20.0), static_friction=friction, kinetic_friction=friction
        )
        around = Surroundings(
            jnp.zeros(3), jnp.asarray(20.0), jnp.asarray(20.0), force=weight, shapes=(post,), contact=contact
        )
        scheme = Scheme(jnp.asarray(2e-5))
        seen = best().travel(rod, at_rest(rod, place), around, constant(held, 300), scheme, steps=100)
        pulls = jax.vmap(lambda state: _tension(rod, state))(seen)
        return pulls[:, 1] / pulls[:, 0]

    frictions = {0.2: 1.8745, 0.3: 2.5663}
    ratios = np.asarray(jax.jit(jax.vmap(ratio))(jnp.asarray(list(frictions))))
    return [
        Result(f"pull over weight at friction {friction}", float(row[-100:].mean()), expected, 5e-2)
        for (friction, expected), row in zip(frictions.items(), ratios, strict=True)
    ]


def _tension(rod: Rod, state: RodState) -> Array:
    """Of the first and of the last edge [N]."""
    strain = jnp.linalg.norm(edges_of(state.position, False), axis=-1) / rod.rest_length - 1.0
    return (rod.stretch * strain)[jnp.array([0, -1])]


def slope() -> list[Result]:
    """V18: a rope on a slope rests where its steepness is below static friction, else it slides evenly faster."""
    place = straight(0.5, 8)
    rod = make_rod(RodConfig(radius=0.005, young=1e6), place)
    floor = Plane(jnp.array([0.0, 0.0, 1.0]), jnp.asarray(-0.005))
    seconds, static, kinetic = 0.5, 0.5, 0.3

    def slid(angle: Array) -> Array:
        """How far it has slid [m]."""
        gravity = 9.81 * jnp.stack([jnp.sin(angle), jnp.zeros(()), -jnp.cos(angle)])
        contact = _contact(static, kinetic, 1e4, 1e-3, 5.0)
        around = Surroundings(gravity, jnp.zeros(()), jnp.zeros(()), shapes=(floor,), contact=contact)
        carry = partial(best().travel, handles=constant(free(rod)), scheme=Scheme(jnp.asarray(1e-4)), steps=5000)
        settled = jax.tree.map(lambda leaf: leaf[-1], carry(rod, at_rest(rod, place), _upright(around)))
        settled = dataclasses.replace(settled, velocity=jnp.zeros_like(place))
        return carry(rod, settled, around).position[0, :, 0].mean()

    steep = math.atan(0.7)
    rests, slides = np.asarray(jax.jit(jax.vmap(slid))(jnp.array([math.atan(0.49), steep]))) - 0.25
    faster = 9.81 * (math.sin(steep) - kinetic * math.cos(steep))
    return [
        Result("slip below the friction angle [m]", float(rests), 0.0, 1e-4, absolute=True),
        Result("acceleration down a slope of 0.7 [m/s^2]", float(slides) * 2.0 / seconds**2, faster, 2e-2),
    ]


def _upright(around: Surroundings) -> Surroundings:
    """The same weight straight into the slope, with drag, to settle in."""
    into = jnp.stack([jnp.zeros(()), jnp.zeros(()), around.gravity[2]])
    return dataclasses.replace(around, gravity=into, drag=jnp.asarray(20.0))


CONTACT_CASES = {"V17 capstan": capstan, "V18 slope": slope}
"""By name."""
