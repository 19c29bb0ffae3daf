"""Symplectic Euler with sub-steps: forces where the rod is, then velocities, then friction and lengths, then positions.

The spin of a section points along its edge, and an edge that turns must turn that spin with it. The couple that does so
works on the vertices with the turn of the last sub-step. So momentum is kept to rounding: linear, and angular counted
as `angular_momentum` does, with each spin along the edge as it was when forces were last taken.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module, field
from diorama.core.errors import SpecError
from diorama.envs.rope.contact import rubbed, shape_forces
from diorama.envs.rope.energy import curvature
from diorama.envs.rope.forces import elastic_forces
from diorama.envs.rope.frames import Frames, advance
from diorama.envs.rope.handles import Handles, guided, inverse_mass, later, sprung
from diorama.envs.rope.hysteresis import slipped
from diorama.envs.rope.plasticity import return_map
from diorama.envs.rope.projection import project
from diorama.envs.rope.rod import Rod, RodState
from diorama.envs.rope.self_contact import Grasp, Touch, rubbed_together, spread, touches
from diorama.envs.rope.surroundings import Surroundings
from diorama.envs.rope.topology import edges_of, to_vertices
from diorama.envs.rope.vectors import dot, length


class Scheme(Module):
    """The sub-step [s], whether edges keep their length, and how often friction and lengths are settled in turn."""

    step: Float[Array, ""]
    inextensible: bool = field(static=True, default=False)
    sweeps: int = field(static=True, default=1)


_Timed = tuple[RodState, Array | None]
"""A state and how many steps were taken, where something moves with them."""


class Driven(Module):
    """A rod after the forces of a sub-step and before friction and lengths: frames, set, velocities, what pushes."""

    frames: Frames
    rest_curvature: Float[Array, "J 2"]
    stuck: Float[Array, "K J 2"] | None
    velocity: Float[Array, "V 3"]
    spin: Float[Array, " E"]
    push: Float[Array, "V 3"] | None
    touch: Touch | None


def substep(rod: Rod, state: RodState, around: Surroundings, handles: Handles, scheme: Scheme) -> RodState:
    """The state one sub-step later; targets of springs are where ``handles`` have them now."""
    return carried(rod, state, driven(rod, state, around, handles, scheme), around, handles, scheme)


def driven(rod: Rod, state: RodState, around: Surroundings, handles: Handles, scheme: Scheme) -> Driven:
    """The first half of a sub-step: forces where the rod is, and the velocities that they give."""
    frames = advance(state.frames, state.position, rod.closed)
    rest, stuck = plastic_set(rod, state, frames), slipped_on(rod, state, frames)
    force, torque = elastic_forces(rod, state.position, state.angle, frames, rest, stuck)
    force = force + given_forces(rod, state, around, frames, scheme.step)
    if handles.springs is not None:
        drawn, turned = sprung(rod, handles, state, scheme.step)
        force, torque = force + drawn, torque + turned
    push = _shape_push(rod, state, around)
    touch = None
    if around.self_contact is not None:
        touch = touches(rod, around.self_contact, state.position, state.velocity)
        force = force + spread(touch, touch.push, rod.mass.shape[0])
    force = force if push is None else force + push
    velocity = (state.velocity + scheme.step * force / rod.mass[:, None]) * jnp.exp(-around.drag * scheme.step)
    spin = state.spin * dot(state.frames.tangent, frames.tangent)  # the part that stays along the edge
    spin = (spin + scheme.step * torque / rod.spin_inertia) * jnp.exp(-around.spin_drag * scheme.step)
    velocity, spin = guided(handles, velocity, spin)
    return Driven(frames, rest, stuck, velocity, spin, push, touch)


def carried(rod: Rod, state: RodState, now: Driven, around: Surroundings, handles: Handles, scheme: Scheme) -> RodState:
    """The second half of a sub-step: friction and lengths, then positions."""
    motion = (now.velocity, now.spin)
    velocity, spin = settle(rod, state.position, motion, now.frames, around, now.push, now.touch, handles, scheme)
    position, angle = state.position + scheme.step * velocity, state.angle + scheme.step * spin
    return RodState(position, velocity, angle, spin, now.frames, now.rest_curvature, now.stuck)


def plastic_set(rod: Rod, state: RodState, frames: Frames) -> Float[Array, "J 2"]:
    """The rest curvature [1/m] that the bending of ``state`` leaves."""
    if rod.plasticity is None:
        return state.rest_curvature
    bent = curvature(rod, frames, state.angle) / rod.span[:, None]
    return return_map(rod.plasticity, bent, state.rest_curvature)


def slipped_on(rod: Rod, state: RodState, frames: Frames) -> Float[Array, "K J 2"] | None:
    """Where the frictional elements of the rod stick [1/m] in the bending of ``state``; none where it has none.

    Raises `SpecError` for a state that was made of a rod without them, or of one with more or fewer.
    """
    if rod.hysteresis is None:
        return None
    if state.stuck is None or state.stuck.shape[0] != rod.hysteresis.slip.shape[0]:
        raise SpecError("The state knows nothing of the rod's hysteresis; make it with `at_rest` of this rod.")
    return slipped(rod.hysteresis, curvature(rod, frames, state.angle) / rod.span[:, None], state.stuck)


def given_forces(
    rod: Rod, state: RodState, around: Surroundings, frames: Frames, step: Float[Array, ""]
) -> Float[Array, "V 3"]:
    """What acts on the vertices [N] without regard to where they go next: weight, dead load, the turn of spins."""
    force = _gyroscopic(rod, state, frames, step) + rod.mass[:, None] * around.gravity[None]
    return force if around.force is None else force + around.force


def _gyroscopic(rod: Rod, state: RodState, frames: Frames, step: Array) -> Array:
    """Forces [N] of the couple that turns each spin with its edge."""
    turned = (frames.tangent - state.frames.tangent) / step
    edge = edges_of(state.position, rod.closed)
    couple = -(rod.present * rod.spin_inertia * state.spin)[:, None] * turned
    force = jnp.cross(couple, edge) / dot(edge, edge)[:, None]
    return to_vertices(-force, force, rod.closed)


def _shape_push(rod: Rod, state: RodState, around: Surroundings) -> Array | None:
    if around.contact is None or not around.shapes:
        return None
    return shape_forces(rod, around.contact, around.shapes, state.position, state.velocity)


def settle(
    rod: Rod,
    position: Float[Array, "V 3"],
    motion: tuple[Float[Array, "V 3"], Float[Array, " E"]],
    frames: Frames,
    around: Surroundings,
    push: Float[Array, "V 3"] | None,
    touch: Touch | None,
    handles: Handles,
    scheme: Scheme,
) -> tuple[Float[Array, "V 3"], Float[Array, " E"]]:
    """Velocities [m/s] and spins [rad/s] after friction under the load of ``push`` [N], and with lengths kept.

    Both in turn: each sweep takes up what the other left over, with the impulses summed.
    """
    velocity, spin = motion
    light = inverse_mass(rod, handles)
    grasp = Grasp(frames.tangent, length(edges_of(position, rod.closed)), (1.0 - handles.edges) / rod.spin_inertia)
    ground = jnp.zeros_like(velocity)
    between = None if touch is None else jnp.zeros_like(touch.push)
    for _ in range(scheme.sweeps):
        if push is not None:
            velocity, ground = rubbed(around.contact, push, velocity, ground, light, scheme.step)
        if touch is not None:
            contact = around.self_contact
            motion = (velocity, spin)
            (velocity, spin), between = rubbed_together(contact, touch, grasp, motion, between, light, scheme.step)
        if scheme.inextensible:
            velocity = project(rod, position, velocity, light, scheme.step)[0]
    return velocity, spin


def simulate(
    rod: Rod,
    state: RodState,
    around: Surroundings,
    handles: Handles,
    scheme: Scheme,
    *,
    steps: int,
    records: int = 1,
    record: Callable[[RodState], Any] = lambda state: state.position,
) -> tuple[RodState, Any]:
    """The state after ``steps`` sub-steps, and what ``record`` makes of the state ``records`` times on the way there.

    Targets of springs move on from where ``handles`` have them at the start. A gradient through it keeps one state in
    about the square root of ``steps``, and computes the rest again. Raises `SpecError` where the records do not divide
    the steps.
    """
    if steps < 1 or records < 1 or steps % records:
        raise SpecError(f"{records} records do not divide {steps} steps; give positive whole numbers that do.")
    each = steps // records
    inner = _divisor(each)

    def one(held: _Timed, _: None) -> tuple[_Timed, None]:
        now, ticks = held
        if ticks is None:
            return (substep(rod, now, around, handles, scheme), None), None
        return (substep(rod, now, around, later(handles, ticks * scheme.step), scheme), ticks + 1.0), None

    def some(held: _Timed, _: None) -> tuple[_Timed, None]:
        return jax.lax.scan(one, held, None, length=inner)

    def stretch(held: _Timed, _: None) -> tuple[_Timed, Any]:
        held = jax.lax.scan(jax.checkpoint(some), held, None, length=each // inner)[0]
        return held, record(held[0])

    begun = (state, clock_of(handles, scheme))
    (last, _), path = jax.lax.scan(jax.checkpoint(stretch), begun, None, length=records)
    return last, path


def clock_of(handles: Handles, scheme: Scheme) -> Float[Array, ""] | None:
    """What counts the steps, where a target may move with them; else none."""
    return None if handles.springs is None else jnp.zeros((), scheme.step.dtype)


def _divisor(number: int) -> int:
    """The largest divisor up to the square root."""
    return max(k for k in range(1, math.isqrt(number) + 1) if number % k == 0)


def momentum(rod: Rod, state: RodState) -> Float[Array, " 3"]:
    """Linear momentum [kg m/s]."""
    return rod.mass @ state.velocity


def angular_momentum(rod: Rod, state: RodState) -> Float[Array, " 3"]:
    """Angular momentum about the origin [kg m^2/s], of vertices and of spins along their edges of one sub-step ago."""
    orbit = jnp.sum(rod.mass[:, None] * jnp.cross(state.position, state.velocity), 0)
    return orbit + (rod.present * rod.spin_inertia * state.spin) @ state.frames.tangent
