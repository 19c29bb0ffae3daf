"""A clamped cable for many recordings at once: the rod of this package where its section is round, batch last.

The forces are those of `elastic_forces` for a round section whose twist is spread evenly over the length. Twist waves
are fast beside everything that a camera sees, so the twist is one number a cable: what the clamps turn, less what the
centre line already turns on its way (its holonomy; Bergou et al. 2008, section 4.2.2, there called quasi-static). Two
markers do not show how a clamp turns about its own edge: it turns as little as it can from its mean attitude.

Arrays are [3, vertices, batch], the layout in which a loop over a batch is one vector instruction after another. Forces
are per line density [N m / kg]: a motion does not show how heavy a cable is.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.envs.rope.mocap import CLAMPED, PERIOD
from diorama.envs.rope.surroundings import EARTH

Points = Float[Array, "3 V B"]
_SLOW = 1e-8
_FOLDED = 0.3


class Mounting(Module):
    """How a cable was measured and held: mean ``length`` [m] of edges, and the mean direction of its two clamped edges.

    ``attitude`` [2, 3]: of the first and the last edge. ``heading`` [2, 3]: a director across each, which the clamp
    carries with it.
    """

    length: Float[Array, " E"]
    attitude: Float[Array, "2 3"]
    heading: Float[Array, "2 3"]


class Cable(Module):
    """What decides how a cable moves, per line density.

    ``rest_length`` [m] of edges, ``mass`` [m] of vertices (the length of cable that each carries), ``stretch`` EA
    [m^2/s^2], ``bend`` EI [m^4/s^2] at joints, ``twist`` GJ [m^4/s^2], dampers of stretch [m^2/s] and bending
    [m^4/s], ``drag`` [1/s] and ``drag_square`` [1/m]. ``curvature`` [2, J] is that without load [1/m], about the two
    directors of the section. ``roll`` [rad] is the turn of the ends against one another where both head the same way.
    ``mounting`` is not of the cable but of the one who holds it.
    """

    rest_length: Float[Array, " E"]
    mass: Float[Array, " V"]
    stretch: Float[Array, ""]
    bend: Float[Array, " J"]
    twist: Float[Array, ""]
    stretch_damping: Float[Array, ""]
    bend_damping: Float[Array, ""]
    drag: Float[Array, ""]
    drag_square: Float[Array, ""]
    curvature: Float[Array, "2 J"]
    roll: Float[Array, ""]
    mounting: Mounting


class Seen(Module):
    """What a correction may look at: ``position`` [m], ``velocity`` [m/s], the total ``twist`` [rad].

    ``target`` [3, 4, B] is where the clamped vertices are at the end of the frame [m].
    """

    position: Points
    velocity: Points
    twist: Float[Array, " B"]
    target: Float[Array, "3 C B"]


class Correction(Module):
    """What is added to the law for one frame. Neither of the two can push a cable that nobody holds.

    ``curvature`` [3, J, B]: more curvature without load [1/m], so couples between neighbouring edges. ``drag`` [V, B]:
    a further rate [1/s] at which the air brakes, never negative.
    """

    curvature: Float[Array, "3 J B"]
    drag: Float[Array, "V B"]


Corrector = Callable[[Seen], Correction]


def roll_out(
    cable: Cable,
    first: Points,
    second: Points,
    clamps: Float[Array, "T 3 C B"],
    *,
    substeps: int,
    correct: Corrector | None = None,
) -> Float[Array, "T 3 V B"]:
    """Positions [m] of the T frames after ``second``, open loop. ``clamps``: the measured clamped vertices in them.

    Symplectic Euler; the clamps move evenly within a frame. Memory of a gradient is one state a frame.
    """
    free = np.ones((1, first.shape[1], 1), first.dtype)
    free[:, :CLAMPED], free[:, -CLAMPED:] = 0.0, 0.0
    step = PERIOD / substeps

    def frame(state: tuple, target: Array) -> tuple[tuple, Array]:
        position, velocity, twist = state
        twist, bent = _section(cable, position, twist)
        brake = jnp.zeros_like(position[:1])
        if correct is not None:
            said = correct(Seen(position, velocity, twist, target))
            bent, brake = bent + said.curvature, said.drag[None]
        velocity = velocity * free + led(position, target)

        def one(state: tuple, _: None) -> tuple[tuple, None]:
            position, velocity, twist = state
            force = acceleration(cable, position, velocity, twist, bent) - brake * velocity
            velocity = velocity + step * free * force
            twist = twist + step * twist_rate(position, velocity)
            return (position + step * velocity, velocity, twist), None

        state = jax.lax.scan(one, (position, velocity, twist), None, length=substeps)[0]
        return state, state[0]

    still = jnp.zeros_like(first[0, 0])
    start = (second, (second - first) / PERIOD, still)
    return jax.lax.scan(jax.checkpoint(frame), start, clamps)[1]


def acceleration(
    cable: Cable, position: Points, velocity: Points, twist: Float[Array, " B"], bent: Float[Array, "3 J B"]
) -> Points:
    """Of free vertices [m/s^2], at a total twist [rad] and a curvature without load ``bent`` [1/m] in space."""
    edge, moves = _edges(position), _edges(velocity)
    size = _length(edge)
    along = edge / size
    rest = cable.rest_length[None, :, None]
    strain_rate = _dot(along, moves)
    tension = cable.stretch * (size / rest - 1.0) + cable.stretch_damping * strain_rate
    turn_rate = (moves - along * strain_rate) / size
    couple = _bending(cable, along, turn_rate, bent) - _writhing(cable, along, twist)
    on_edge = tension * along - couple / size
    force = _pad(on_edge, 0, 1) - _pad(on_edge, 1, 0)
    speed = jnp.sqrt(_dot(velocity, velocity) + _SLOW)
    braked = (cable.drag + cable.drag_square * speed) * velocity
    weight = jnp.asarray([0.0, 0.0, -EARTH], position.dtype)[:, None, None]
    return force / cable.mass[None, :, None] + weight - braked


def twist_rate(position: Points, velocity: Points) -> Float[Array, " B"]:
    """How fast the total twist of a cable changes [rad/s] whose clamps do not turn about themselves."""
    edge = _edges(position)
    size = _length(edge)
    turning = _edges(velocity) / size
    return 0.5 * jnp.sum(_dot(_binormal(edge / size), turning[:, :-1] + turning[:, 1:]), (0, 1))


def _bending(cable: Cable, along: Points, turn_rate: Points, bent: Array) -> Points:
    """Minus the gradient of bending energy and damping by the unit edge vectors, across them [3, E, B]."""
    start, end = along[:, :-1], along[:, 1:]
    cosine, share = _dot(start, end), _share(start, end)
    rest, bend = cable.rest_length, cable.bend[None, :, None]
    span = 0.5 * (rest[:-1] + rest[1:])[None, :, None]
    stiff = 4.0 * bend / span * share**2
    spin = _cross(along, turn_rate)
    damper = cable.bend_damping / span * (spin[:, 1:] - spin[:, :-1])
    own = _dot(2.0 * share * _cross(start, end), bent)
    on_start = bend * share * (2.0 * _cross(end, bent) - own * end)
    on_end = bend * share * (2.0 * _cross(bent, start) - own * start)
    on_start = stiff * (end - cosine * start) + _cross(damper, start) + on_start - _dot(on_start, start) * start
    on_end = stiff * (start - cosine * end) - _cross(damper, end) + on_end - _dot(on_end, end) * end
    return _pad(on_start, 0, 1) + _pad(on_end, 1, 0)


def _writhing(cable: Cable, along: Points, twist: Array) -> Points:
    """The same of the energy of twist, with the other sign."""
    torque = cable.twist * twist / jnp.sum(cable.rest_length)
    each = 0.5 * torque[None, None] * _binormal(along)
    return _pad(each, 0, 1) + _pad(each, 1, 0)


def _section(cable: Cable, position: Points, twist: Array) -> tuple[Array, Array]:
    """The total twist [rad], unwrapped to be near ``twist``, and the curvature without load in space [3, J, B]."""
    edge = _edges(position)
    along = edge / _length(edge)
    first, heading = _headings(cable.mounting, along)
    frame = _carried(along, first)
    last, end = frame[:, -1], along[:, -1]
    near = (twist - cable.roll)[None]
    turned = jnp.cos(near) * last + jnp.sin(near) * _cross(end, last)
    total = twist + _angle(turned, heading, end)[0]
    middle = _unit(along[:, 1:] + along[:, :-1])
    frame = _across(frame[:, 1:] + frame[:, :-1], middle)
    reach = jnp.cumsum(cable.rest_length) - 0.5 * cable.rest_length
    share = (0.5 * (reach[1:] + reach[:-1]) / jnp.sum(cable.rest_length))[None, :, None]
    other = _cross(middle, frame)
    turn = share * total[None, None]
    cosine, sine = jnp.cos(turn), jnp.sin(turn)
    one, two = cosine * frame + sine * other, cosine * other - sine * frame
    own = cable.curvature[:, None, :, None]
    return total, own[0] * one + own[1] * two


def _headings(mounting: Mounting, along: Points) -> tuple[Float[Array, "3 B"], Float[Array, "3 B"]]:
    """The directors that the two clamps carry, by the smallest rotation from the mean attitude to the present."""

    def turned(end: int) -> Array:
        given = (mounting.heading[end][:, None], mounting.attitude[end][:, None], along[:, -end])
        return _transport(*given)

    return turned(0), turned(1)


def _carried(along: Points, first: Float[Array, "3 B"]) -> Points:
    """A director of the first edge, carried along the cable to each edge."""

    def carry(held: tuple, following: Array) -> tuple[tuple, Array]:
        director, previous = held
        director = _transport(director, previous, following)
        return (director, following), director

    rest = jax.lax.scan(carry, (first, along[:, 0]), jnp.moveaxis(along[:, 1:], 1, 0))[1]
    return jnp.concatenate([first[:, None], jnp.moveaxis(rest, 0, 1)], 1)


def led(position: Points, target: Array) -> Points:
    """Velocities that bring the clamped vertices to ``target`` within a frame; zero for the free ones."""
    held = jnp.concatenate([position[:, :CLAMPED], position[:, -CLAMPED:]], 1)
    speed = (target - held) / PERIOD
    between = jnp.zeros_like(position[:, CLAMPED:-CLAMPED])
    return jnp.concatenate([speed[:, :CLAMPED], between, speed[:, CLAMPED:]], 1)


def _edges(points: Array) -> Array:
    return points[:, 1:] - points[:, :-1]


def _dot(one: Array, other: Array) -> Array:
    return jnp.sum(one * other, 0, keepdims=True)


def _cross(one: Array, other: Array) -> Array:
    x, y, z = one
    a, b, c = other
    return jnp.stack([y * c - z * b, z * a - x * c, x * b - y * a])


def _length(vector: Array) -> Array:
    return jnp.sqrt(_dot(vector, vector))


def _unit(vector: Array) -> Array:
    return vector / _length(vector)


def _across(vector: Array, axis: Array) -> Array:
    return _unit(vector - _dot(vector, axis) * axis)


def _binormal(along: Array) -> Array:
    start, end = along[:, :-1], along[:, 1:]
    return 2.0 * _cross(start, end) * _share(start, end)


def _share(start: Array, end: Array) -> Array:
    """One over one plus the cosine; limited where an edge folds back as no cable does, but a fault of tracking may."""
    return 1.0 / jnp.maximum(1.0 + _dot(start, end), _FOLDED)


def _transport(vector: Array, start: Array, end: Array) -> Array:
    axis, cosine = _cross(start, end), _dot(start, end)
    turned = vector * cosine + _cross(axis, vector) + axis * (_dot(axis, vector) * _share(start, end))
    return _across(turned, end)


def _angle(start: Array, end: Array, axis: Array) -> Array:
    return jnp.arctan2(_dot(axis, _cross(start, end)), _dot(start, end))


def _pad(edges: Array, front: int, back: int) -> Array:
    return jnp.pad(edges, ((0, 0), (front, back), (0, 0)))
