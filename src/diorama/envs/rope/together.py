"""A rod and free rigid bodies: what the rod pushes pushes back, with force, torque and friction.

The sub-step is that of `integrator`. Each push and each impulse of friction acts on rod and body at one point of space,
so linear and angular momentum of both together are kept to rounding (with drag and handles left out). Bodies lie on the
shapes of the surroundings with the balls whose hull they are (exact on planes); bodies do not touch each other.
Readable steps only: the kernel and the implicit steps know no bodies.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from diorama.core import Module, field
from diorama.core.errors import SpecError
from diorama.envs.rope.bodies import (
    Body,
    BodyState,
    distances,
    drifted,
    feet,
    hit,
    push_out,
    rotation,
    velocity_at,
    yielding,
)
from diorama.envs.rope.contact import Contact, coulomb
from diorama.envs.rope.handles import Handles, inverse_mass, later
from diorama.envs.rope.integrator import Scheme, angular_momentum, carried, clock_of, driven, momentum
from diorama.envs.rope.rod import Rod, RodState
from diorama.envs.rope.shapes import Shape
from diorama.envs.rope.surroundings import Surroundings
from diorama.envs.rope.topology import first_vertex, second_vertex
from diorama.envs.rope.vectors import dot, length, unit


class Bodies(Module):
    """The bodies; how the rod touches them, and how they touch the shapes around.

    Stiffness of ``contact`` is per length of rod [N/m per m], that of ``ground`` [N/m] is of each ball of a body. None
    means that they pass through. Friction is settled ``sweeps`` times in a sub-step.
    """

    bodies: tuple[Body, ...]
    contact: Contact | None = None
    ground: Contact | None = None
    sweeps: int = field(static=True, default=8)


class Together(Module):
    """The state of a rod and of the bodies."""

    rod: RodState
    bodies: tuple[BodyState, ...]


_Timed = tuple[Together, Array | None]
"""A state and how many steps were taken, where something moves with them."""


class Meeting(Module):
    """Points where a body meets a rod, or the ground: where [m], and the push [N] on the rod.

    ``vertices`` of the rod share the push by ``weights``; the ground has none.
    """

    place: Float[Array, "N 3"]
    push: Float[Array, "N 3"]
    vertices: Int[Array, "N 2"]
    weights: Float[Array, "N 2"]


def substep_together(
    rod: Rod, bodies: Bodies, state: Together, around: Surroundings, handles: Handles, scheme: Scheme
) -> Together:
    """The state one sub-step later. Raises `SpecError` where the bodies and their states are not as many."""
    if len(bodies.bodies) != len(state.bodies):
        raise SpecError(f"{len(bodies.bodies)} bodies have {len(state.bodies)} states; give one for each.")
    step, count = scheme.step, rod.mass.shape[0]
    load = jnp.zeros((count, 3), rod.mass.dtype) if around.force is None else around.force
    met, moved = [], []
    for body, now in zip(bodies.bodies, state.bodies, strict=True):
        own, load, now = _pushed(rod, bodies, body, state.rod, now, around, load, step)
        met.append(own)
        moved.append(now)
    told = driven(rod, state.rod, dataclasses.replace(around, force=load), handles, scheme)
    velocity, light = told.velocity, inverse_mass(rod, handles)
    for index, (body, touching) in enumerate(zip(bodies.bodies, met, strict=True)):
        for contact, meeting, of_rod in touching:
            side = (velocity, light) if of_rod else (jnp.zeros((1, 3), load.dtype), jnp.zeros(1, load.dtype))
            (slowed, _), moved[index] = rubbed_on(contact, meeting, side, body, moved[index], step, bodies.sweeps)
            velocity = slowed if of_rod else velocity
    after = carried(rod, state.rod, dataclasses.replace(told, velocity=velocity), around, handles, scheme)
    return Together(after, tuple(drifted(*pair, step) for pair in zip(bodies.bodies, moved, strict=True)))


def simulate_together(
    rod: Rod,
    bodies: Bodies,
    state: Together,
    around: Surroundings,
    handles: Handles,
    scheme: Scheme,
    *,
    steps: int,
    records: int = 1,
    record: Callable[[Together], Any] = lambda state: state.rod.position,
) -> tuple[Together, Any]:
    """The state after ``records`` periods of ``steps`` sub-steps, and what ``record`` makes of it after each of them.

    A gradient through it keeps the state of each period, and computes the rest again. Raises `SpecError` where there is
    nothing to do.
    """
    if steps < 1 or records < 1:
        raise SpecError(f"{records} periods of {steps} sub-steps are no time; give at least one of each.")

    def one(held: _Timed, _: None) -> tuple[_Timed, None]:
        now, ticks = held
        grip = handles if ticks is None else later(handles, ticks * scheme.step)
        return (substep_together(rod, bodies, now, around, grip, scheme), None if ticks is None else ticks + 1.0), None

    @jax.checkpoint
    def period(held: _Timed, _: None) -> tuple[_Timed, Any]:
        held = jax.lax.scan(one, held, None, length=steps)[0]
        return held, record(held[0])

    (last, _), path = jax.lax.scan(period, (state, clock_of(handles, scheme)), None, length=records)
    return last, path


def _pushed(
    rod: Rod,
    bodies: Bodies,
    body: Body,
    rope: RodState,
    state: BodyState,
    around: Surroundings,
    load: Array,
    step: Array,
) -> tuple[list, Array, BodyState]:
    """What the body meets, the load on the rod with what it adds, and the body after all pushes."""
    met, now = [], hit(state, step * body.mass * around.gravity[None], state.place[None])
    if bodies.contact is not None:
        met.append((bodies.contact, along_rod(rod, bodies.contact, body, rope, state), True))
    if bodies.ground is not None:
        met += [(bodies.ground, on_ground(bodies.ground, shape, body, state), False) for shape in around.shapes]
    for _, meeting, of_rod in met:
        now = hit(now, -step * meeting.push, meeting.place)
        load = _shared(load, meeting, meeting.push) if of_rod else load
    if body.ties is None:
        return met, load, now
    index = body.ties.vertices
    place, pull = rope.position[index], _pull(body, rope, state)
    return met, load.at[index].add(pull), hit(now, -step * pull, place)


def _pull(body: Body, rope: RodState, state: BodyState) -> Float[Array, "K 3"]:
    """Of the ties, on the vertices of the rod [N]; it acts where the vertices are."""
    ties = body.ties
    end = state.place[None] + ties.points @ rotation(state.turn).T
    place, velocity = rope.position[ties.vertices], rope.velocity[ties.vertices]
    return ties.stiffness * (end - place) + ties.damping * (velocity_at(body, state, place) - velocity)


def along_rod(rod: Rod, contact: Contact, body: Body, rope: RodState, state: BodyState) -> Meeting:
    """Where a rod meets a body, at ``contact.points`` points of each edge; zero pushes where they are apart."""
    edges, points = rod.rest_length.shape[0], contact.points
    share = jnp.tile((jnp.arange(points, dtype=rod.mass.dtype) + 0.5) / points, edges)
    weights = jnp.stack([1.0 - share, share], -1)
    index = jnp.arange(rod.mass.shape[0])
    ends = [jnp.repeat(end(index, rod.closed), points) for end in (first_vertex, second_vertex)]
    vertices = jnp.stack(ends, -1)
    place, velocity = (jnp.sum(weights[..., None] * of[vertices], 1) for of in (rope.position, rope.velocity))
    away, normal = distances(body, state, place)
    push = push_out(contact, away - rod.radius, normal, velocity - velocity_at(body, state, place))
    span = jnp.repeat(rod.present * rod.rest_length / points, points)
    return Meeting(place, span[:, None] * push, vertices, weights)


def on_ground(contact: Contact, shape: Shape, body: Body, state: BodyState) -> Meeting:
    """Where the balls of a body meet a shape that does not move; the pushes are those on the shape."""
    centres, radius = feet(body.shape)
    centres = state.place[None] + centres @ rotation(state.turn).T
    away, normal = jax.vmap(jax.value_and_grad(shape.distance))(centres)
    place = centres - radius * normal
    push = push_out(contact, away - radius, normal, velocity_at(body, state, place))
    nothing = jnp.zeros((len(centres), 2), push.dtype)
    return Meeting(place, -push, nothing.astype(jnp.int32), nothing)


def _shared(values: Array, meeting: Meeting, at_points: Array) -> Array:
    """Values of vertices [V, 3] and what the points add to them."""
    return values.at[meeting.vertices].add(meeting.weights[..., None] * at_points[:, None])


def rubbed_on(
    contact: Contact,
    meeting: Meeting,
    side: tuple[Float[Array, "V 3"], Float[Array, " V"]],
    body: Body,
    state: BodyState,
    step: Float[Array, ""],
    sweeps: int,
) -> tuple[tuple[Float[Array, "V 3"], Float[Array, " V"]], BodyState]:
    """Velocities of vertices and the body after friction; ``side`` are velocities and one over masses of the vertices.

    All points act at once, each on its share of body and vertices, so that their sum never overshoots.
    """
    light, load = side[1], length(meeting.push)
    active = (load > 0.0).astype(load.dtype)
    normal = unit(meeting.push)
    many = jnp.zeros_like(light).at[meeting.vertices].add(active[:, None] * (meeting.weights > 0.0))
    of_rod = jnp.sum(meeting.weights**2 * (many * light)[meeting.vertices], -1)
    lever, turns = meeting.place - state.place[None], yielding(body, state.turn)

    def sweep(now: tuple[Array, BodyState, Array], _: None) -> tuple[tuple[Array, BodyState, Array], None]:
        velocity, struck, impulse = now
        speed = jnp.sum(meeting.weights[..., None] * velocity[meeting.vertices], 1)
        speed = speed - velocity_at(body, struck, meeting.place)
        sliding = speed - dot(speed, normal)[:, None] * normal
        about = jnp.cross(lever, unit(sliding))
        yields = of_rod + active.sum() * (1.0 / body.mass + dot(about @ turns, about))
        wanted = (impulse - sliding / jnp.where(active > 0.0, yields, 1.0)[:, None]) * active[:, None]
        told = coulomb(contact, wanted, load * step)
        more = told - impulse
        spread = _shared(jnp.zeros_like(velocity), meeting, more)
        return (velocity + light[:, None] * spread, hit(struck, -more, meeting.place), told), None

    begun = (side[0], state, jnp.zeros_like(meeting.push))
    velocity, struck, _ = jax.lax.scan(sweep, begun, None, length=sweeps)[0]
    return (velocity, light), struck


def momenta(rod: Rod, state: Together) -> tuple[Float[Array, " 3"], Float[Array, " 3"]]:
    """Momentum [kg m/s] and angular momentum about the origin [kg m^2/s] of the rod and all bodies."""
    linear = momentum(rod, state.rod) + sum(body.momentum for body in state.bodies)
    orbits = (body.angular + jnp.cross(body.place, body.momentum) for body in state.bodies)
    return linear, angular_momentum(rod, state.rod) + sum(orbits)
