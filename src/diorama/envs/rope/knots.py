"""Knots in ropes: crossings as seen from above, the determinant that tells a knot from none, and how tangled it looks.

A rope with ends has a knot only once its ends are joined. They are joined by a straight line that passes over all
else, or under all else; ends that lie outside of the tangle give the same knot either way. The determinant is the
value at -1 of the Alexander polynomial, by the coloring matrix of the diagram (Livingston, Knot Theory, 1993,
chapter 3): 1 for no knot, 3 for a trefoil, 5 for a figure of eight. There are knots with a determinant of 1, too, the
smallest of 10 crossings.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from diorama.core import Module
from diorama.envs.rope.topology import edges_of
from diorama.envs.rope.vectors import dot

MOST = 40
"""Crossings in a diagram; one with more counts as knotted."""
_FAR = 1e3
_PARALLEL = 1e-12


class Diagram(Module):
    """Crossings [N] as seen from above, in the order of their lower strands; those from ``count`` on are none.

    Places are numbers of vertices, with the share of the edge that follows: the crossing is at ``over`` on the upper
    strand and at ``under`` on the lower one.
    """

    over: Float[Array, " N"]
    under: Float[Array, " N"]
    count: Int[Array, ""]


def diagram(vertices: Float[Array, "V 3"]) -> Diagram:
    """The crossings of a rope with ends."""
    return _diagram(vertices, None)


def determinant(vertices: Float[Array, "V 3"], closing: Float[Array, ""]) -> Float[Array, ""]:
    """The determinant of the knot of a rope whose ends are joined by a level line at the height ``closing`` [m].

    Infinite where there are more than `MOST` crossings. A rope of which an edge stands exactly upright has none.
    """
    seen = _diagram(vertices, closing)
    number, index = seen.count, jnp.arange(MOST)
    # Strands from one lower place to the next have a number each: how many lower places come before.
    upper = jnp.sum(seen.under[None] < seen.over[:, None], -1)
    whole = jnp.maximum(number, 1)
    after = (index + 1) % whole
    rows = jnp.zeros((MOST, MOST)).at[index, upper % whole].add(2.0)
    rows = rows.at[index, index].add(-1.0).at[index, after].add(-1.0)
    real = (index < number)[:, None]
    rows = jnp.where(real, rows, jnp.eye(MOST))
    found = jnp.round(jnp.abs(jnp.linalg.det(rows[1:, 1:])))
    return jnp.where(number > MOST, jnp.inf, found)


def knotted(vertices: Float[Array, "V 3"]) -> Bool[Array, ""]:
    """Whether a rope with ends has a knot: its ends are joined above all else, and below all else."""
    found = jax.vmap(determinant, (None, 0))(vertices, jnp.array([-_FAR, _FAR]))
    return jnp.any(found != 1.0)


def average_crossings(vertices: Float[Array, "V 3"], softening: float | Float[Array, ""] = 0.02) -> Float[Array, ""]:
    """How many crossings a rope shows on average over all views, about, with a derivative everywhere.

    Gauss's integral with absolute values over edges that are no neighbours; distances [m] are never taken for smaller
    than ``softening``, as in arXiv 2606.04206.
    """
    edge = edges_of(vertices, closed=False)
    middle = vertices[:-1] + 0.5 * edge
    first, second = np.triu_indices(len(vertices) - 1, 2)
    apart = middle[first] - middle[second]
    volume = jnp.abs(dot(apart, jnp.cross(edge[first], edge[second])))
    return jnp.sum(volume / (dot(apart, apart) + softening**2) ** 1.5) / (2.0 * jnp.pi)


@functools.cache
def _pairs(edges: int, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.triu_indices(edges, 2)
    apart = ~((first == 0) & (second == edges - 1)) if closed else np.ones_like(first, bool)
    return first[apart], second[apart]


def _diagram(vertices: Array, closing: Array | None) -> Diagram:
    """With or without the line at the height ``closing`` from the last vertex to the first."""
    closed = closing is not None
    edge = edges_of(vertices, closed)
    start = vertices if closed else vertices[:-1]
    height, rise = start[:, 2], edge[:, 2]
    if closing is not None:
        height, rise = height.at[-1].set(closing), rise.at[-1].set(0.0)
    first, second = _pairs(len(edge), closed)
    one, other, between = edge[first], edge[second], start[second] - start[first]
    turn = _cross(one, other)
    safe = jnp.where(jnp.abs(turn) > _PARALLEL, turn, 1.0)
    share, other_share = _cross(between, other) / safe, _cross(between, one) / safe
    inside = (share >= 0.0) & (share < 1.0) & (other_share >= 0.0) & (other_share < 1.0)
    crossed = inside & (jnp.abs(turn) > _PARALLEL)
    upper = height[first] + share * rise[first] > height[second] + other_share * rise[second]
    here, there = first + share, second + other_share
    index = jnp.nonzero(crossed, size=MOST, fill_value=len(first))[0]
    over, under = (
        jnp.append(jnp.where(crossed, jnp.where(upper, *pair), jnp.inf), jnp.inf)[index]
        for pair in ((here, there), (there, here))
    )
    order = jnp.argsort(under)
    return Diagram(over[order], under[order], jnp.sum(crossed))


def _cross(one: Array, other: Array) -> Array:
    return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
