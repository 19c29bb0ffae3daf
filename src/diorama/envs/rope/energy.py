"""The elastic energy of a rod, written to be read: every force in this package is checked against its gradient.

Source: Bergou et al. 2008 and 2010; the curvature binormal is ``2 t x t' / (1 + t . t')``, of length 2 tan(phi / 2) for
a turn by phi. Strains at joints are integrated over the joint's span; stiffness divides by the rest length, so that
bending does not depend on how far the rod is stretched.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.envs.rope.frames import Frames, advance, material
from diorama.envs.rope.hysteresis import stuck_energy
from diorama.envs.rope.rod import Rod, RodState
from diorama.envs.rope.topology import after, before, edges_of
from diorama.envs.rope.vectors import chi, cross, dot, length


def binormal(tangent: Float[Array, "E 3"], closed: bool) -> Float[Array, "J 3"]:
    """The curvature binormal at each joint: along the axis of the turn, as long as the integrated curvature."""
    start, end = before(tangent, closed), after(tangent, closed)
    return 2.0 * cross(start, end) / chi(start, end)[:, None]


def curvature(rod: Rod, frames: Frames, angle: Float[Array, " E"]) -> Float[Array, "J 2"]:
    """Integrated curvature about the two directors, dimensionless."""
    turn = binormal(frames.tangent, rod.closed)
    first, second = (before(m, rod.closed) + after(m, rod.closed) for m in material(frames, angle))
    return 0.5 * jnp.stack([dot(turn, second), -dot(turn, first)], -1)


def twist(rod: Rod, frames: Frames, angle: Float[Array, " E"]) -> Float[Array, " J"]:
    """Twist at each joint [rad]: of the sections against the reference frames, plus that of the reference frames."""
    return after(angle, rod.closed) - before(angle, rod.closed) + frames.twist


def stretch_energy(rod: Rod, position: Float[Array, "V 3"]) -> Float[Array, ""]:
    """Of all edges [J]."""
    strain = length(edges_of(position, rod.closed)) / rod.rest_length - 1.0
    return 0.5 * jnp.sum(rod.stretch * rod.rest_length * strain**2)


def bend_energy(
    rod: Rod, frames: Frames, angle: Float[Array, " E"], rest_curvature: Float[Array, "J 2"]
) -> Float[Array, ""]:
    """Of all joints [J]; ``rest_curvature`` is per unit length [1/m]."""
    span = rod.span[:, None]
    return 0.5 * jnp.sum(rod.bend * (curvature(rod, frames, angle) - rest_curvature * span) ** 2 / span)


def twist_energy(rod: Rod, frames: Frames, angle: Float[Array, " E"]) -> Float[Array, ""]:
    """Of all joints [J]."""
    return 0.5 * jnp.sum(rod.twist * (twist(rod, frames, angle) - rod.rest_twist * rod.span) ** 2 / rod.span)


def elastic_energy(
    rod: Rod,
    position: Float[Array, "V 3"],
    angle: Float[Array, " E"],
    nearby: Frames,
    rest_curvature: Float[Array, "J 2"],
    stuck: Float[Array, "K J 2"] | None = None,
) -> Float[Array, ""]:
    """Stretch, bend and twist [J] at ``position``, with frames carried there from those of a position nearby.

    With what ``stuck`` frictional elements store, if there are any. Where ``nearby`` are the frames of ``position``
    itself, the gradient with respect to positions and angles is the elastic force and torque with the sign changed.
    """
    frames = advance(nearby, position, rod.closed)
    bent = bend_energy(rod, frames, angle, rest_curvature)
    if stuck is not None:
        curved = curvature(rod, frames, angle) / rod.span[:, None]
        bent = bent + stuck_energy(rod.hysteresis, curved, stuck, rod.unbroken * rod.span)
    return stretch_energy(rod, position) + bent + twist_energy(rod, frames, angle)


def kinetic_energy(rod: Rod, state: RodState) -> Float[Array, ""]:
    """Of vertices and of spinning sections [J]."""
    moving = jnp.sum(rod.mass * dot(state.velocity, state.velocity))
    return 0.5 * (moving + jnp.sum(rod.present * rod.spin_inertia * state.spin**2))


def total_energy(rod: Rod, state: RodState, gravity: Float[Array, " 3"]) -> Float[Array, ""]:
    """Elastic, kinetic and that of weight [J]; ``gravity`` is an acceleration [m/s^2]."""
    elastic = elastic_energy(rod, state.position, state.angle, state.frames, state.rest_curvature, state.stuck)
    weight = jnp.sum(rod.mass * (state.position @ gravity))
    return elastic + kinetic_energy(rod, state) - weight
