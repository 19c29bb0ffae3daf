"""Rods, states, surroundings and handles as the few arrays of the kernel, and back.

Works on NumPy and on JAX arrays, of one rope or with leading axes of ropes, which are broadcast against each other.
"""

import functools
from types import ModuleType
from typing import Any

import jax

from diorama.core.errors import SpecError
from diorama.envs.rope.contact import Contact
from diorama.envs.rope.handles import Handles
from diorama.envs.rope.integrator import Scheme
from diorama.envs.rope.rod import Rod, RodState
from diorama.envs.rope.shapes import Box, Capsule, Plane, Shape, Sphere
from diorama.envs.rope.surroundings import Surroundings

_NO_CONTACT = (0.0, 1.0, 0.0, 0.0, 0.0)
PLANE, CAPSULE, BOX = 0.0, 1.0, 2.0


def pack_body(xp: ModuleType, state: RodState) -> tuple:
    """Vertices [V, 6], edges [E, 8] and joints [J, 3 + 2 K]: see the kernel's `Body`."""
    frames = state.frames
    joint = [frames.twist[..., None], state.rest_curvature]
    if state.stuck is not None:
        stuck = xp.moveaxis(state.stuck, -3, -2)
        joint.append(stuck.reshape(*stuck.shape[:-2], -1))
    edge = [state.angle[..., None], state.spin[..., None], frames.tangent, frames.director]
    return (
        xp.concatenate([state.position, state.velocity], -1),
        xp.concatenate(edge, -1),
        xp.concatenate(joint, -1),
    )


def unpack_body(like: RodState, bodies: tuple) -> RodState:
    """States as `pack_body` packs them, with whatever axes lead, in the structure of ``like``."""
    vertex, edge, joint = bodies
    leaves = [vertex[..., :3], vertex[..., 3:], edge[..., 0], edge[..., 1]]
    leaves += [edge[..., 2:5], edge[..., 5:8], joint[..., 0], joint[..., 1:3]]
    if like.stuck is not None:
        stuck = joint[..., 3:].reshape(*joint.shape[:-1], like.stuck.shape[-3], 2)
        leaves.append(stuck.swapaxes(-3, -2))
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def pack_make(xp: ModuleType, lead: tuple[int, ...], rod: Rod, around: Surroundings, scheme: Scheme) -> tuple:
    """Vertices [V, 4], edges [E, 4], joints [J, 4], shapes [S, 8] and numbers [19 + 2 K]: see the kernel's `Make`."""

    def rows(*columns: Any) -> Any:
        return xp.stack([xp.broadcast_to(column, (*lead, column.shape[-1])) for column in columns], -1)

    mass = rod.mass
    load = [0.0 * mass] * 3 if around.force is None else [around.force[..., k] for k in range(3)]
    plastic = rod.plasticity
    yields = (0.0, 0.0) if plastic is None else (plastic.yield_curvature, plastic.share)
    gravity = [around.gravity[..., k] for k in range(3)]
    numbers = [scheme.step, *gravity, around.drag, around.spin_drag, rod.radius, *yields]
    numbers += [*_contact(around.contact), *_contact(around.self_contact)]
    if rod.hysteresis is not None:
        of = rod.hysteresis
        numbers += [part[..., k] for k in range(of.slip.shape[-1]) for part in (of.stiffness, of.slip)]
    shapes = [_row(xp, lead, shape_numbers(shape)) for shape in around.shapes]
    return (
        rows(mass, *load),
        rows(rod.rest_length, rod.spin_inertia, rod.stretch, rod.present),
        rows(rod.bend[..., 0], rod.bend[..., 1], rod.twist, rod.rest_twist),
        xp.stack(shapes, -2) if shapes else xp.zeros((*lead, 0, 8), mass.dtype),
        _row(xp, lead, numbers),
    )


def pack_grips(xp: ModuleType, handles: Handles) -> tuple:
    """Vertices [T, V, 4] and edges [T, E, 2] of T periods, or more with springs: see the kernel's `Grip`."""
    vertex, edge = [handles.vertices[..., None], handles.velocity], [handles.edges, handles.spin]
    springs = handles.springs
    if springs is not None:
        pull, twist = springs.pull, springs.twist
        vertex += [springs.place, xp.stack([pull.stiffness, pull.damping, pull.limit], -1)]
        edge += [springs.angle, twist.stiffness, twist.damping, twist.limit]
    return xp.concatenate(vertex, -1), xp.stack(edge, -1)


def _row(xp: ModuleType, lead: tuple[int, ...], numbers: list) -> Any:
    return xp.stack([xp.broadcast_to(xp.asarray(number), lead) for number in numbers], -1)


def _contact(contact: Contact | None) -> tuple:
    if contact is None:
        return _NO_CONTACT
    return (contact.stiffness, contact.smoothing, contact.static_friction, contact.kinetic_friction, contact.damping)


def _three(of_shape: Any) -> list:
    return [of_shape[..., k] for k in range(3)]


@functools.singledispatch
def shape_numbers(shape: Shape) -> list:
    """The eight numbers of a shape. Raises `SpecError` for a shape that the kernel does not know."""
    raise SpecError(f"The kernel knows no {type(shape).__name__}; use the execution `Readable`, or shapes it knows.")


@shape_numbers.register
def _(shape: Plane) -> list:
    return [*_three(shape.normal), shape.height, 0.0, 0.0, 0.0, PLANE]


@shape_numbers.register
def _(shape: Sphere) -> list:
    return [*_three(shape.centre), *_three(shape.centre), shape.radius, CAPSULE]


@shape_numbers.register
def _(shape: Capsule) -> list:
    return [*_three(shape.start), *_three(shape.end), shape.radius, CAPSULE]


@shape_numbers.register
def _(shape: Box) -> list:
    return [*_three(shape.centre), *_three(shape.half), shape.rounding, BOX]
