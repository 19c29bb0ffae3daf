"""Free rigid bodies: balls, capsules and boxes that ropes push, pull and are tied to, and that rest on shapes.

A body is its shape about its centre of mass, turned by a quaternion (scalar first). Its state holds momentum and
angular momentum, which forces change and motion does not, so that both are kept to rounding.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from diorama.core import Module
from diorama.core.errors import SpecError
from diorama.envs.rope.contact import Contact, ramp
from diorama.envs.rope.shapes import Box, Capsule, Shape, Sphere
from diorama.envs.rope.vectors import length


class Ties(Module):
    """Vertices [K] of a rod that springs hold to points [K, 3] of a body [m, from its centre, along its axes].

    ``stiffness`` [N/m] and ``damping`` [N s/m] are of each spring.
    """

    vertices: Int[Array, " K"]
    points: Float[Array, "K 3"]
    stiffness: Float[Array, ""]
    damping: Float[Array, ""]


class Body(Module):
    """A rigid body: its shape about its centre of mass, mass [kg], moments of inertia about its axes [kg m^2]."""

    shape: Shape
    mass: Float[Array, ""]
    inertia: Float[Array, " 3"]
    ties: Ties | None = None


class BodyState(Module):
    """Where the centre is [m], how the body is turned, its momentum [kg m/s] and its angular momentum [kg m^2/s].

    ``turn`` is a unit quaternion that takes the axes of the body to those of space. ``angular`` is about the centre.
    """

    place: Float[Array, " 3"]
    turn: Float[Array, " 4"]
    momentum: Float[Array, " 3"]
    angular: Float[Array, " 3"]


def ball(radius: float, mass: float) -> Body:
    """A solid ball."""
    return Body(Sphere(jnp.zeros(3), jnp.asarray(radius)), jnp.asarray(mass), jnp.full(3, 0.4 * mass * radius**2))


def brick(half: tuple[float, float, float], mass: float, rounding: float = 0.0) -> Body:
    """A solid box of these half edges [m], of which ``rounding`` is round; its inertia is that of the sharp box."""
    x, y, z = (edge**2 for edge in half)
    inertia = mass / 3.0 * jnp.array([y + z, x + z, x + y])
    inner = jnp.asarray(half) - rounding
    return Body(Box(jnp.zeros(3), inner, jnp.asarray(rounding)), jnp.asarray(mass), inertia)


def bolt(half: float, radius: float, mass: float) -> Body:
    """A solid capsule along x, with its round ends' centres ``half`` [m] from its own."""
    middle, ends = 2.0 * half * radius**2, 4.0 / 3.0 * radius**3  # volumes over pi
    middle, ends = (mass * part / (middle + ends) for part in (middle, ends))
    along = radius**2 * (0.5 * middle + 0.4 * ends)
    across = middle * (half**2 / 3.0 + radius**2 / 4.0) + ends * (0.4 * radius**2 + half**2 + 0.75 * half * radius)
    tip = jnp.array([half, 0.0, 0.0])
    return Body(Capsule(-tip, tip, jnp.asarray(radius)), jnp.asarray(mass), jnp.array([along, across, across]))


def still(body: Body, place: tuple[float, float, float]) -> BodyState:
    """At rest, with its axes along those of space."""
    zero = jnp.zeros_like(body.inertia)
    return BodyState(jnp.asarray(place, zero.dtype), jnp.pad(zero, (1, 0)).at[0].set(1.0), zero, zero)


def rotation(turn: Float[Array, " 4"]) -> Float[Array, "3 3"]:
    """The matrix of a unit quaternion."""
    scalar, vector = turn[0], turn[1:]
    x, y, z = vector
    skew = jnp.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return (2.0 * scalar**2 - 1.0) * jnp.eye(3) + 2.0 * scalar * skew + 2.0 * jnp.outer(vector, vector)


def yielding(body: Body, turn: Float[Array, " 4"]) -> Float[Array, "3 3"]:
    """One over the inertia, in axes of space [1/(kg m^2)]."""
    axes = rotation(turn)
    return (axes / body.inertia[None]) @ axes.T


def velocity_at(body: Body, state: BodyState, place: Float[Array, "N 3"]) -> Float[Array, "N 3"]:
    """Of the body's matter at points of space [m/s]."""
    spin = yielding(body, state.turn) @ state.angular
    return (state.momentum / body.mass)[None] + jnp.cross(spin[None], place - state.place[None])


def hit(state: BodyState, impulse: Float[Array, "N 3"], place: Float[Array, "N 3"]) -> BodyState:
    """After impulses [N s] at points of space."""
    turning = jnp.cross(place - state.place[None], impulse)
    return BodyState(state.place, state.turn, state.momentum + impulse.sum(0), state.angular + turning.sum(0))


def drifted(body: Body, state: BodyState, step: Float[Array, ""]) -> BodyState:
    """After free motion over ``step`` [s]: angular momentum stays, the turn takes that of the middle of the step."""
    halfway = _turned(state.turn, 0.5 * step * (yielding(body, state.turn) @ state.angular))
    turn = _turned(state.turn, step * (yielding(body, halfway) @ state.angular))
    return BodyState(state.place + step * state.momentum / body.mass, turn, state.momentum, state.angular)


def _turned(turn: Array, angle: Array) -> Array:
    """Turned on by a rotation vector [rad] in axes of space."""
    half = 0.5 * angle
    size = length(half[None])[0]
    scalar, vector = jnp.cos(size), jnp.sinc(size / math.pi) * half
    whole = jnp.concatenate(
        [
            (scalar * turn[0] - vector @ turn[1:])[None],
            scalar * turn[1:] + turn[0] * vector + jnp.cross(vector, turn[1:]),
        ]
    )
    return whole / jnp.sqrt(whole @ whole)


def distances(
    body: Body, state: BodyState, place: Float[Array, "N 3"]
) -> tuple[Float[Array, " N"], Float[Array, "N 3"]]:
    """Signed distances [m] of points of space from the body's surface, and the normals there, in space."""
    axes = rotation(state.turn)
    inside = (place - state.place[None]) @ axes
    away, normal = jax.vmap(jax.value_and_grad(body.shape.distance))(inside)
    return away, normal @ axes.T


@functools.singledispatch
def feet(shape: Shape) -> tuple[Array, Array]:
    """Centres [N, 3] and radius [m] of the balls whose hull the shape is: these are what stands on other shapes.

    Raises `SpecError` for a shape that has none.
    """
    raise SpecError(f"A {type(shape).__name__} is no body that can lie on something; give a sphere, capsule or box.")


@feet.register
def _(shape: Sphere) -> tuple[Array, Array]:
    return shape.centre[None], shape.radius


@feet.register
def _(shape: Capsule) -> tuple[Array, Array]:
    return jnp.stack([shape.start, shape.end]), shape.radius


@feet.register
def _(shape: Box) -> tuple[Array, Array]:
    corners = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
    return shape.centre[None] + jnp.asarray(corners, shape.half.dtype) * shape.half[None], shape.rounding


def push_out(
    contact: Contact, gap: Float[Array, " N"], normal: Float[Array, "N 3"], speed: Float[Array, "N 3"]
) -> Float[Array, "N 3"]:
    """The push along the normal on what comes with this velocity [m/s]: in newton, per what the stiffness is per."""
    approach = jnp.maximum(-jnp.sum(speed * normal, -1), 0.0)
    return (contact.stiffness * ramp(gap, contact.smoothing) * (1.0 + contact.damping * approach))[:, None] * normal
