"""Reference frames that follow a moving rod by parallel transport in time, and the material frames made from them.

Source: Bergou, Audoly, Vouga, Wardetzky, Grinspun, Discrete Viscous Threads (SIGGRAPH 2010), section 4: the reference
director of each edge is carried from step to step by the smallest rotation of its tangent, so that an angle per edge
is all that the twist needs. The price is a reference twist at each joint, which is unwrapped: it never jumps by a turn.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.envs.rope.topology import after, before, edges_of
from diorama.envs.rope.vectors import cross, dot, transport, unit


class Frames(Module):
    """Unit tangents [E, 3], reference directors [E, 3] across them, and the reference twist at each joint [rad, J]."""

    tangent: Float[Array, "E 3"]
    director: Float[Array, "E 3"]
    twist: Float[Array, " J"]


def first_frames(position: Float[Array, "V 3"], closed: bool) -> Frames:
    """Frames carried along the rod from its first edge; all twist is zero but that which closes a closed rod."""
    tangent = unit(edges_of(position, closed))
    axis = jnp.eye(3, dtype=tangent.dtype)[jnp.argmin(jnp.abs(tangent[0]))]
    start = unit(axis - dot(axis, tangent[0]) * tangent[0])

    def carry(held: tuple, following: Array) -> tuple:
        director, previous = held
        director = _across(transport(director, previous, following), following)
        return (director, following), director

    director = jax.lax.scan(carry, (start, tangent[0]), tangent)[1]
    flat = Frames(tangent, director, jnp.zeros_like(before(tangent, closed)[:, 0]))
    return Frames(tangent, director, _twist(flat, flat.twist, closed))


def advance(frames: Frames, position: Float[Array, "V 3"], closed: bool) -> Frames:
    """The frames of the rod at ``position``, from those that it had a short time before."""
    tangent = unit(edges_of(position, closed))
    director = _across(transport(frames.director, frames.tangent, tangent), tangent)
    return Frames(tangent, director, _twist(Frames(tangent, director, frames.twist), frames.twist, closed))


def material(frames: Frames, angle: Float[Array, " E"]) -> tuple[Float[Array, "E 3"], Float[Array, "E 3"]]:
    """The two directors of the section of each edge, ``angle`` [rad] from the reference frame."""
    second = cross(frames.tangent, frames.director)
    cosine, sine = jnp.cos(angle)[:, None], jnp.sin(angle)[:, None]
    return cosine * frames.director + sine * second, cosine * second - sine * frames.director


def _twist(frames: Frames, near: Array, closed: bool) -> Array:
    """The angle from each director, carried along the rod, to the next: the one of its values that is ``near``."""
    start, end = before(frames.tangent, closed), after(frames.tangent, closed)
    carried = transport(before(frames.director, closed), start, end)
    following = after(frames.director, closed)
    ahead, aside = dot(carried, following), dot(end, cross(carried, following))
    # Turned back by the angle that is near, so that the rest never jumps.
    cosine, sine = jnp.cos(near), jnp.sin(near)
    return near + jnp.arctan2(cosine * aside - sine * ahead, cosine * ahead + sine * aside)


def _across(vector: Array, tangent: Array) -> Array:
    """Takes away the rounding that would let a director lean over in the long run."""
    return unit(vector - dot(vector, tangent)[..., None] * tangent)
