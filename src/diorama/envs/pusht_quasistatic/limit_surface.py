"""How a body on a table with friction yields to a push: the ellipsoidal limit surface and the motion cone.

Slow pushing has no inertia: the wrench of the pusher equals what friction with the table can bear, and the body's twist
is normal to the surface of those wrenches. With an ellipsoid for that surface the twist is a linear map of the wrench,
up to a factor that the contact decides: ``(v_x, v_y, omega) ~ (f_x, f_y, torque / lever^2)``, where ``lever`` is the
largest torque over the largest force, about the centre of friction.

Sources: Goyal, Ruina and Papadopoulos 1991 (limit surfaces, Wear 143); Lee and Cutkosky 1991 (the ellipsoid); Lynch and
Mason 1996, "Stable pushing: mechanics, controllability, and planning" (motion cones of sticking and sliding contacts).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module

_LEAST_SHARE = 0.05
Vector = Float[Array, " 2"]
Twist = Float[Array, " 3"]
Scalar = Float[Array, ""]


class Push(Module):
    """One contact.

    ``arm``: from the centre of friction to the contact point [px]. ``inward``: unit normal into the body. ``depth``:
    how far the body has to yield along ``inward`` [px]. ``slip``: how far the pusher moves along `across` [px].
    """

    arm: Vector
    inward: Vector
    depth: Scalar
    slip: Scalar


def across(inward: Vector) -> Vector:
    """The tangent of a contact: its normal, turned by a right angle."""
    return jnp.stack([-inward[1], inward[0]])


def cross(first: Vector, second: Vector) -> Scalar:
    """The third component of the cross product."""
    return first[0] * second[1] - first[1] * second[0]


def displaced(twist: Twist, arm: Vector) -> Vector:
    """How far a small ``twist`` (x, y [px], angle [rad]) moves the point at ``arm`` from the centre of friction."""
    return twist[:2] + twist[2] * across(arm)


def yielded(push: Push, lever: Scalar, friction: Scalar) -> Twist:
    """The twist (x, y [px], angle [rad]) by which a body yields to a push; zero where ``depth`` is not positive.

    Inside the motion cone the contact sticks: the body follows the pusher in both directions. Outside it slides: the
    force lies on the edge of the friction cone, and only the normal motion is the pusher's. ``friction`` is Coulomb's
    coefficient between pusher and body, ``lever`` the ratio of largest torque to largest force [px].
    """
    tangent = across(push.inward)
    turn, twist = cross(push.arm, push.inward) / lever, cross(push.arm, tangent) / lever
    along, mixed, aside = 1.0 + turn**2, turn * twist, 1.0 + twist**2
    depth = jnp.maximum(push.depth, 0.0)
    determinant = along * aside - mixed**2  # 1 + turn^2 + twist^2: never below 1
    sticking = (aside * depth - mixed * push.slip) / determinant
    shear = (along * push.slip - mixed * depth) / determinant
    edge = jnp.sign(shear) * friction
    # A cone so wide that sliding would pull the body towards the pusher is a jam: hold it at a small share.
    sliding = depth / jnp.maximum(along + edge * mixed, _LEAST_SHARE * along)
    sticks = jnp.abs(shear) <= friction * sticking
    normal, shear = jnp.where(sticks, sticking, sliding), jnp.where(sticks, shear, edge * sliding)
    force = jnp.where(push.depth > 0.0, normal * push.inward + shear * tangent, 0.0)
    return jnp.append(force, cross(push.arm, force) / lever**2)
