"""Edges that keep their length: impulses along the edges, found all at once.

Each edge pulls its two vertices along the direction that it has before the step, so linear and angular momentum are
kept to rounding (SHAKE; Ryckaert, Ciccotti, Berendsen 1977). The equations of a chain are tridiagonal: three Newton
iterations reach rounding, where a sweep over the edges would need hundreds.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.envs.rope.rod import Rod
from diorama.envs.rope.topology import edges_of, first_vertex, second_vertex, to_vertices
from diorama.envs.rope.vectors import dot

_ITERATIONS = 3


def project(
    rod: Rod,
    position: Float[Array, "V 3"],
    velocity: Float[Array, "V 3"],
    inverse_mass: Float[Array, " V"],
    step: Float[Array, ""],
) -> tuple[Float[Array, "V 3"], Float[Array, " E"]]:
    """The velocities [m/s] with which each edge has its rest length after ``step`` [s], and the tensions [N] it takes.

    Edges that are absent, or held at both ends, are left as they are.
    """
    weight = inverse_mass
    now = edges_of(position, rod.closed)
    first, second = first_vertex(weight, rod.closed), second_vertex(weight, rod.closed)
    works = rod.present * ((first + second) > 0.0)

    def moved(pull: Array) -> Array:
        """Velocities times the step, with impulses ``pull`` [kg] along the edges."""
        push = pull[:, None] * now
        return step * velocity + weight[:, None] * to_vertices(push, -push, rod.closed)

    pull = jnp.zeros_like(rod.rest_length)
    for _ in range(_ITERATIONS):
        following = edges_of(position + moved(pull), rod.closed)
        excess = 0.5 * (dot(following, following) - rod.rest_length**2) * works
        pull = pull + _solve(_slopes(now, following, first, second, works, rod.closed), excess, rod.closed)
    tension = pull * rod.rest_length / step**2
    return moved(pull) / step, tension


def _slopes(now: Array, following: Array, first: Array, second: Array, works: Array, closed: bool) -> tuple:
    """How fast the excess of each edge shrinks with the pull of the edge before, its own, and the edge after."""
    mean = (first + second) * dot(following, now)
    own = jnp.where(works > 0.0, mean, 1.0)
    lower = -first * dot(following, jnp.roll(now, 1, 0)) * works * jnp.roll(works, 1)
    upper = -second * dot(following, jnp.roll(now, -1, 0)) * works * jnp.roll(works, -1)
    if closed:
        return lower, own, upper
    return lower.at[0].set(0.0), own, upper.at[-1].set(0.0)


def _solve(slopes: tuple, right: Array, closed: bool) -> Array:
    lower, own, upper = slopes
    if not closed:
        return _tridiagonal(lower, own, upper, right[:, None])[:, 0]
    # A closed chain has two corners more; they are a change of rank one (Sherman and Morrison 1950).
    corner, scale = lower[0], -own[0]
    own = own.at[0].add(-scale).at[-1].add(-corner * upper[-1] / scale)
    column = jnp.zeros_like(right).at[0].set(scale).at[-1].add(upper[-1])
    row = jnp.zeros_like(right).at[0].set(1.0).at[-1].add(corner / scale)
    both = jnp.stack([right, column], -1)
    plain, turned = _tridiagonal(lower.at[0].set(0.0), own, upper.at[-1].set(0.0), both).T
    return plain - turned * jnp.sum(row * plain) / (1.0 + jnp.sum(row * turned))


def _tridiagonal(lower: Array, own: Array, upper: Array, right: Array) -> Array:
    return jax.lax.linalg.tridiagonal_solve(lower, own, upper, right)
