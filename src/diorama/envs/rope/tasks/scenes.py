"""What the scenes of tasks are put together from: ropes, objects, floors and posts."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core.env import Scenario
from diorama.envs.rope.contact import Contact
from diorama.envs.rope.energy import curvature
from diorama.envs.rope.rod import Rod, at_rest, joined, uniform_rod
from diorama.envs.rope.shapes import Capsule, Plane, Shape
from diorama.envs.rope.surroundings import EARTH, Surroundings
from diorama.envs.rope.tasks.config import TaskConfig

UP = (0.0, 0.0, 1.0)
_TWIST_SHARE = 0.2
_CONTACT_STIFFNESS, _SMOOTHING, _CONTACT_DAMPING = 4e4, 1e-3, 0.5
_SPIN_DRAG = 20.0


def rope(config: TaskConfig, scenario: Scenario, position: Float[Array, "V 3"]) -> Rod:
    """The task's rope, with its length shared out evenly over the edges."""
    bend, line_density = (jnp.asarray(scenario[name]) for name in ("stiffness", "mass"))
    made = _rod(config, position, config.bend * bend, config.line_density * line_density)
    each = config.length / made.rest_length.shape[0]
    return dataclasses.replace(made, rest_length=jnp.full_like(made.rest_length, each))


def stiff(config: TaskConfig, position: Float[Array, "V 3"], line_density: float, bend: float) -> Rod:
    """An object: a stiff rod that rests in the shape that it has at ``position`` [m], as thick as the rope."""
    return formed(_rod(config, position, jnp.asarray(bend), jnp.asarray(line_density)), position)


def formed(rod: Rod, position: Float[Array, "V 3"]) -> Rod:
    """The rod that rests in the shape that it has at ``position`` [m]."""
    state = at_rest(rod, position)
    bent = curvature(rod, state.frames, state.angle) / rod.span[:, None]
    return dataclasses.replace(rod, rest_curvature=bent)


def together(*rods: Rod) -> Rod:
    """Several rods in one set of arrays.

    Frames are carried along all of it, so what is not straight in a plane is to be `formed` again where it lies.
    """
    first, *others = rods
    for other in others:
        first = joined(first, other)
    return first


def table(config: TaskConfig, scenario: Scenario, *shapes: Shape) -> Surroundings:
    """A floor at height 0 and shapes on it."""
    drag, spin_drag, zero = jnp.asarray(config.drag), jnp.asarray(_SPIN_DRAG), jnp.asarray(0.0)
    rubs = jnp.asarray(scenario["friction"])
    numbers = (jnp.asarray(_CONTACT_STIFFNESS), jnp.asarray(_SMOOTHING), rubs, rubs, jnp.asarray(_CONTACT_DAMPING))
    contact = Contact(*numbers)
    floor = Plane(jnp.asarray(UP), zero)
    itself = contact if config.self_contact else None
    weight = -EARTH * jnp.asarray(UP)
    return Surroundings(weight, drag, spin_drag, shapes=(floor, *shapes), contact=contact, self_contact=itself)


def post(place: Float[Array, " 2"], height: float, radius: float) -> Capsule:
    """A post that stands on the floor, with a round top."""
    foot = jnp.concatenate([place, jnp.zeros(1)])
    return Capsule(foot, foot + height * jnp.asarray(UP), jnp.asarray(radius))


def _rod(config: TaskConfig, position: Array, bend: Array, line_density: Array) -> Rod:
    return uniform_rod(
        position,
        stretch=jnp.asarray(config.stretch),
        bend=jnp.stack([bend, bend]),
        twist=_TWIST_SHARE * bend,
        line_density=line_density,
        polar_density=0.5 * line_density * config.radius**2,
        radius=jnp.asarray(config.radius),
    )
