"""Implicit Euler: forces where the rod will be, so that a step of milliseconds carries a stiff rod.

The next positions and angles q make the incremental potential least, ``m (q - ahead)^2 / (2 h^2) + U(q)``. Here
``ahead`` is where the rod would be without the forces of U, which are those of stretch, bending, twist and the push of
shapes (Radovitzky and Ortiz 1999; Hairer and Wanner 1996, IV.8). Frames are carried to q from those of the last step,
so U is a function of q alone and its second derivatives are symmetric. The numbers of a vertex are coupled with those
of two vertices to each side: with positions and angles interleaved the matrix is a band of 21 numbers. A closed rod is
folded flat for it, which doubles the band.

Rods that touch each other couple numbers far apart, so that they need `linear.Dense`, whose work grows with the cube of
the length.

Drag, plastic bending, friction and fixed lengths are as in `integrator`, the last two after the solution; the damping
of contact uses the velocity before the step. Derivatives are those of the solution (implicit function theorem).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.core.errors import SpecError
from diorama.envs.rope.contact import braking, shape_energy
from diorama.envs.rope.energy import elastic_energy
from diorama.envs.rope.frames import Frames, advance
from diorama.envs.rope.handles import Handles, guided
from diorama.envs.rope.integrator import Scheme, given_forces, plastic_set, settle, slipped_on
from diorama.envs.rope.linear import Banded
from diorama.envs.rope.newton import Found, Newton, minimum
from diorama.envs.rope.rod import Rod, RodState
from diorama.envs.rope.self_contact import pair_braking, pair_energy, touches
from diorama.envs.rope.springs import potential as spring_potential
from diorama.envs.rope.surroundings import Surroundings
from diorama.envs.rope.vectors import dot

_NUMBERS = 4
"""Of a vertex: its position, and the angle of the edge that starts there."""


class Drawn(Module):
    """Springs to targets, what they draw as it was before the step, and the length of the step [s]."""

    handles: Handles
    position: Float[Array, "V 3"]
    angle: Float[Array, " E"]
    step: Float[Array, ""]


class Step(Module):
    """What one step looks for: positions [m] and angles [rad] of each vertex and of the edge that starts there.

    ``inertia`` is mass over the square of the step [kg/s^2], or polar inertia over it; ``moves`` is 0 for what is held.
    """

    rod: Rod
    frames: Frames
    rest_curvature: Float[Array, "J 2"]
    stuck: Float[Array, "K J 2"] | None
    inertia: Float[Array, "V 4"]
    ahead: Float[Array, "V 4"]
    moves: Float[Array, "V 4"]
    around: Surroundings
    braking: tuple[Float[Array, "E P"], ...]
    pairs: Float[Array, " P"] | None
    drawn: Drawn | None


def implicit_step(
    rod: Rod, state: RodState, around: Surroundings, handles: Handles, scheme: Scheme, method: Newton
) -> tuple[RodState, Found]:
    """The state one step later, and how Newton's method fared.

    Where it did not arrive the state is not a number, so that nothing goes on from it unseen. Raises `SpecError` where
    rods are to touch each other and the solver knows of a band, and where springs draw a rod of fixed lengths.
    """
    if handles.springs is not None and scheme.inextensible:
        raise SpecError(
            "Implicit steps settle fixed lengths after springs, which would be too soft; use `Readable` or `Kernel`."
        )
    itself = around.self_contact
    if itself is not None and isinstance(method.solver, Banded):
        raise SpecError("Contact of rods with rods couples numbers outside of the band; use `Newton(Dense())`.")
    step, closed = _posed(rod, state, around, handles, scheme), rod.closed
    found = minimum(_free_potential, step, _start(step, state), _scale(rod), _width(closed), method)
    place = _blend(step, _unpacked(found.where, rod))
    place = jnp.where(found.arrived, place, jnp.nan)
    position, angle = _parts(place, rod)
    motion = (position - state.position) / scheme.step, (angle - state.angle) / scheme.step
    motion = guided(handles, *motion)
    push = None if not step.braking else -jax.grad(_touching, 1)(step, position)
    touch = None if itself is None else touches(rod, itself, position, state.velocity)
    velocity, spin = settle(rod, state.position, motion, step.frames, around, push, touch, handles, scheme)
    position, angle = state.position + scheme.step * velocity, state.angle + scheme.step * spin
    return RodState(position, velocity, angle, spin, step.frames, step.rest_curvature, step.stuck), found


def _posed(rod: Rod, state: RodState, around: Surroundings, handles: Handles, scheme: Scheme) -> Step:
    h = scheme.step
    frames = advance(state.frames, state.position, rod.closed)
    drag, spin_drag = jnp.exp(around.drag * h), jnp.exp(around.spin_drag * h)
    force = given_forces(rod, state, around, frames, h)
    velocity = (state.velocity + h * force / rod.mass[:, None]) / drag
    spin = state.spin * dot(state.frames.tangent, frames.tangent) / spin_drag
    velocity, spin = guided(handles, velocity, spin)
    inertia = _stacked(jnp.repeat(rod.mass[:, None] * drag, 3, 1), rod.spin_inertia * spin_drag) / h**2
    moves = _stacked(jnp.repeat(1.0 - handles.vertices[:, None], 3, 1), 1.0 - handles.edges)
    ahead = _stacked(state.position + h * velocity, state.angle + h * spin)
    contact = around.contact
    brakes = () if contact is None else braking(rod, contact, around.shapes, state.position, state.velocity)
    drawn = None if handles.springs is None else Drawn(handles, state.position, state.angle, h)
    kept = plastic_set(rod, state, frames), slipped_on(rod, state, frames)
    itself, pairs = around.self_contact, None
    if itself is not None:
        pairs = pair_braking(rod, itself, state.position, state.velocity)
    return Step(rod, frames, *kept, inertia, ahead, moves, around, brakes, pairs, drawn)


def potential(step: Step, place: Float[Array, "V 4"]) -> Float[Array, ""]:
    """The incremental potential [J]."""
    position, angle = _parts(place, step.rod)
    elastic = elastic_energy(step.rod, position, angle, step.frames, step.rest_curvature, step.stuck)
    moving = 0.5 * jnp.sum(step.inertia * (place - step.ahead) ** 2)
    whole = moving + elastic + _touching(step, position)
    if step.pairs is not None:
        whole = whole + pair_energy(step.rod, step.around.self_contact, position, step.pairs)
    return whole if step.drawn is None else whole + _of_springs(step.drawn, position, angle)


def _of_springs(drawn: Drawn, position: Float[Array, "V 3"], angle: Float[Array, " E"]) -> Float[Array, ""]:
    """Of springs to targets (see `springs.potential`)."""
    handles, springs = drawn.handles, drawn.handles.springs
    away, moved = springs.place - drawn.position, position - drawn.position
    pulled = spring_potential(springs.pull, away, handles.velocity, moved, drawn.step)
    turn, turned = (springs.angle - drawn.angle)[:, None], (angle - drawn.angle)[:, None]
    return pulled + spring_potential(springs.twist, turn, handles.spin[:, None], turned, drawn.step)


def _touching(step: Step, position: Float[Array, "V 3"]) -> Float[Array, ""]:
    if not step.braking:
        return jnp.zeros((), position.dtype)
    return shape_energy(step.rod, step.around.contact, step.around.shapes, position, step.braking)


def _free_potential(step: Step, packed: Float[Array, " N"]) -> Float[Array, ""]:
    """Of the free numbers; those that are held or stand for nothing are pulled to zero."""
    idle = 1.0 - _packed(step.moves, step.rod)
    return potential(step, _blend(step, _unpacked(packed, step.rod))) + 0.5 * jnp.sum(idle * packed**2)


def _blend(step: Step, place: Float[Array, "V 4"]) -> Float[Array, "V 4"]:
    """With what is held where it is told to be."""
    return step.ahead + step.moves * place


def _start(step: Step, state: RodState) -> Float[Array, " N"]:
    """The better of two guesses: that nothing moves, and that nothing stops."""
    stays = step.moves * (_stacked(state.position, state.angle) - step.ahead)
    guesses = jnp.stack([_packed(guess, step.rod) for guess in (stays, jnp.zeros_like(stays))])
    return guesses[jnp.argmin(jax.vmap(partial(_free_potential, step))(guesses))]


def _scale(rod: Rod) -> Float[Array, " N"]:
    """What counts as a large step: the shortest edge [m], and one radian."""
    edge = jnp.min(rod.rest_length)
    sizes = _packed(jnp.broadcast_to(jnp.stack([edge, edge, edge, jnp.ones_like(edge)]), (len(rod.mass), 4)), rod)
    return jnp.where(sizes > 0.0, sizes, 1.0)


def _width(closed: bool) -> int:
    """Numbers of a block. A vertex is coupled to two on each side, which are four apart in a ring that is folded."""
    return _NUMBERS * (4 if closed else 2)


def _order(count: int, closed: bool) -> np.ndarray:
    """The vertices in the order of the matrix: a ring is folded flat, so that its ends do not couple far numbers."""
    if not closed:
        return np.arange(count)
    there, back = np.arange(count - count // 2), count - 1 - np.arange(count // 2)
    folded = np.zeros(count, int)
    folded[::2], folded[1::2] = there, back
    return folded


def _packed(place: Float[Array, "V 4"], rod: Rod) -> Float[Array, " N"]:
    """The numbers in the order of the matrix, with as many more as fill its blocks."""
    flat = place[_order(len(place), rod.closed)].ravel()
    return jnp.pad(flat, (0, -len(flat) % _width(rod.closed)))


def _unpacked(packed: Float[Array, " N"], rod: Rod) -> Float[Array, "V 4"]:
    order = _order(rod.mass.shape[0], rod.closed)
    return packed[: _NUMBERS * len(order)].reshape(-1, _NUMBERS)[np.argsort(order)]


def _stacked(of_vertices: Float[Array, "V 3"], of_edges: Float[Array, " E"]) -> Float[Array, "V 4"]:
    spare = of_vertices.shape[0] - of_edges.shape[0]
    return jnp.concatenate([of_vertices, jnp.pad(of_edges, (0, spare))[:, None]], -1)


def _parts(place: Float[Array, "V 4"], rod: Rod) -> tuple[Float[Array, "V 3"], Float[Array, " E"]]:
    return place[:, :3], place[: rod.rest_length.shape[0], 3]
