"""Which vertices, edges and joints of a rod are neighbours. A closed rod wraps around, an open one has ends.

A rod of V vertices has E edges and J joints, the vertices between two edges: E = V - 1 and J = V - 2 when it is open,
E = J = V when it is closed. Joint j of an open rod lies between the edges j and j + 1, of a closed rod between the
edges j - 1 and j.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped


def edges_of(position: Float[Array, "V 3"], closed: bool) -> Float[Array, "E 3"]:
    """The vectors from each vertex to the next [m]."""
    return (jnp.roll(position, -1, 0) if closed else position[1:]) - (position if closed else position[:-1])


def before(of_edges: Shaped[Array, "E ..."], closed: bool) -> Shaped[Array, "J ..."]:
    """For each joint, the value of the edge that ends there."""
    return jnp.roll(of_edges, 1, 0) if closed else of_edges[:-1]


def after(of_edges: Shaped[Array, "E ..."], closed: bool) -> Shaped[Array, "J ..."]:
    """For each joint, the value of the edge that starts there."""
    return of_edges if closed else of_edges[1:]


def first_vertex(of_vertices: Shaped[Array, "V ..."], closed: bool) -> Shaped[Array, "E ..."]:
    """For each edge, the value of the vertex where it starts."""
    return of_vertices if closed else of_vertices[:-1]


def second_vertex(of_vertices: Shaped[Array, "V ..."], closed: bool) -> Shaped[Array, "E ..."]:
    """For each edge, the value of the vertex where it ends."""
    return jnp.roll(of_vertices, -1, 0) if closed else of_vertices[1:]


def to_edges(on_before: Float[Array, "J ..."], on_after: Float[Array, "J ..."], closed: bool) -> Float[Array, "E ..."]:
    """The sum on each edge of what its joints give to the edge before and to the edge after them."""
    if closed:
        return jnp.roll(on_before, -1, 0) + on_after
    return _pad(on_before, 0, 1) + _pad(on_after, 1, 0)


def to_vertices(
    on_first: Float[Array, "E ..."], on_second: Float[Array, "E ..."], closed: bool
) -> Float[Array, "V ..."]:
    """The sum on each vertex of what its edges give to their first and to their second vertex."""
    if closed:
        return on_first + jnp.roll(on_second, 1, 0)
    return _pad(on_first, 0, 1) + _pad(on_second, 1, 0)


def _pad(rows: Array, front: int, back: int) -> Array:
    return jnp.pad(rows, [(front, back)] + [(0, 0)] * (rows.ndim - 1))
