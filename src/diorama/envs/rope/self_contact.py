"""Contact of a rod with itself, or of rods with each other: between the nearest points of each two edges.

All pairs of edges that are not near neighbours are looked at; that is E^2 / 2 pairs, plain and fast enough to 60 edges.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from diorama.core import Module
from diorama.envs.rope.contact import Contact, coulomb, ramp, ramp_energy
from diorama.envs.rope.rod import Rod
from diorama.envs.rope.topology import first_vertex, second_vertex
from diorama.envs.rope.vectors import dot, length, unit

NEIGHBOURS = 2
"""Edges of one rod that are at most so many places apart do not touch."""
_PARALLEL = 1e-3
_SIDES = np.array([-1.0, 1.0, -1.0, 1.0])[None, :, None]


class Touch(Module):
    """All pairs of edges: which vertices [P, 4] with which weights [P, 4], and the push [N] on the first edge [P, 3].

    Weights are positive for the first edge and negative for the second, so that the weighted sum of velocities is the
    velocity of one centre line against the other, and the weights times a force are the forces on the vertices.
    ``apart`` [m] leads from the nearest point of the second edge to that of the first.
    """

    vertices: Int[Array, "P 4"]
    weights: Float[Array, "P 4"]
    push: Float[Array, "P 3"]
    apart: Float[Array, "P 3"]
    edges: Int[Array, "2 P"]


@functools.cache
def _pairs(edges: int, closed: bool, neighbours: int) -> np.ndarray:
    first, second = np.triu_indices(edges, neighbours + 1)
    apart = second - first
    keep = (edges - apart > neighbours) if closed else np.ones_like(apart, bool)
    return np.stack([first[keep], second[keep]])


def nearest(
    first: Float[Array, "P 3"], second: Float[Array, "P 3"], between: Float[Array, "P 3"]
) -> tuple[Float[Array, " P"], Float[Array, " P"]]:
    """Where two segments are nearest, as shares of each from 0 to 1.

    ``first`` and ``second`` are the vectors along the segments, ``between`` leads from the start of the first to that
    of the second. Segments that are almost parallel meet near their middles: their nearest points are not unique.
    """
    a, e, b = dot(first, first), dot(second, second), dot(first, second)
    c, f = dot(first, between), dot(second, between)
    # A weak pull of both shares to one half makes the least squares definite.
    pull = _PARALLEL * jnp.sqrt(a * e)
    a, e, c, f = a + pull, e + pull, c + 0.5 * pull, f - 0.5 * pull
    share = jnp.clip((c * e - b * f) / (a * e - b * b), 0.0, 1.0)
    other = jnp.clip((b * share - f) / e, 0.0, 1.0)
    return jnp.clip((b * other + c) / a, 0.0, 1.0), other


def touches(rod: Rod, contact: Contact, position: Float[Array, "V 3"], velocity: Float[Array, "V 3"]) -> Touch:
    """Every pair of edges with the push between them, zero where they are apart."""
    pairs, vertices, weights, apart = _met(rod, position)
    normal, gap = unit(apart), length(apart) - 2.0 * rod.radius
    closing = jnp.sum(weights[..., None] * velocity[vertices], 1)
    push = _stiffness(rod, contact, pairs) * ramp(gap, contact.smoothing) * _braked(contact, closing, normal)
    return Touch(vertices, weights, push[:, None] * normal, apart, jnp.asarray(pairs))


def pair_energy(
    rod: Rod, contact: Contact, position: Float[Array, "V 3"], braking: Float[Array, " P"]
) -> Float[Array, ""]:
    """Energy [J] whose slope is the push between all pairs, each made stiffer by ``braking`` (see `pair_braking`).

    Up to what the pull of almost parallel edges to their middles does, it is the push of `touches`.
    """
    pairs, _, _, apart = _met(rod, position)
    deep = ramp_energy(length(apart) - 2.0 * rod.radius, contact.smoothing)
    return jnp.sum(_stiffness(rod, contact, pairs) * braking * deep)


def pair_braking(
    rod: Rod, contact: Contact, position: Float[Array, "V 3"], velocity: Float[Array, "V 3"]
) -> Float[Array, " P"]:
    """How many times stiffer each pair is on its way in: ``1 + damping * speed``."""
    _, vertices, weights, apart = _met(rod, position)
    return _braked(contact, jnp.sum(weights[..., None] * velocity[vertices], 1), unit(apart))


def _met(rod: Rod, position: Array) -> tuple[np.ndarray, Array, Array, Array]:
    """All pairs, their vertices and weights, and what leads from the second nearest point to the first."""
    pairs = _pairs(rod.rest_length.shape[0], rod.closed, NEIGHBOURS)
    index = jnp.arange(position.shape[0])
    ends = [end(index, rod.closed)[row] for row in pairs for end in (first_vertex, second_vertex)]
    vertices = jnp.stack(ends, -1)
    corner = position[vertices]
    one, other = corner[:, 1] - corner[:, 0], corner[:, 3] - corner[:, 2]
    share, other_share = nearest(one, other, corner[:, 2] - corner[:, 0])
    weights = jnp.stack([1.0 - share, share, other_share - 1.0, -other_share], -1)
    return pairs, vertices, weights, jnp.sum(weights[..., None] * corner, 1)


def _stiffness(rod: Rod, contact: Contact, pairs: np.ndarray) -> Float[Array, " P"]:
    span = 0.5 * (rod.rest_length[pairs[0]] + rod.rest_length[pairs[1]])
    return contact.stiffness * span * rod.present[pairs[0]] * rod.present[pairs[1]]


def _braked(contact: Contact, closing: Array, normal: Array) -> Float[Array, " P"]:
    return 1.0 + contact.damping * jnp.maximum(-dot(closing, normal), 0.0)


def spread(touch: Touch, on_pairs: Float[Array, "P 3"], vertices: int) -> Float[Array, "V 3"]:
    """Forces or impulses of the pairs, on the vertices."""
    shares = touch.weights[..., None] * on_pairs[:, None]
    return jnp.zeros((vertices, 3), on_pairs.dtype).at[touch.vertices].add(shares)


class Grasp(Module):
    """How edges carry friction at their surface: unit tangents, their lengths [m], and one over their spin inertia."""

    tangent: Float[Array, "E 3"]
    size: Float[Array, " E"]
    inverse_inertia: Float[Array, " E"]


def rubbed_together(
    contact: Contact,
    touch: Touch,
    grasp: Grasp,
    motion: tuple[Float[Array, "V 3"], Float[Array, " E"]],
    impulse: Float[Array, "P 3"],
    inverse_mass: Float[Array, " V"],
    step: Float[Array, ""],
) -> tuple[tuple[Float[Array, "V 3"], Float[Array, " E"]], Float[Array, "P 3"]]:
    """Velocities and spins (``motion``) after friction between edges, and its impulses [N s] so far, for each pair.

    Friction acts half-way between the centre lines, where the surfaces meet: it turns edges and their sections too, and
    keeps angular momentum. All pairs act at once: each vertex and each section is shared out among the pairs that it is
    in, so that their sum never overshoots.
    """
    velocity, spin = motion
    load = length(touch.push)
    normal = touch.push / jnp.where(load > 0.0, load, 1.0)[:, None]
    change = velocity[touch.vertices[:, 1::2]] - velocity[touch.vertices[:, ::2]]
    tangent, size = grasp.tangent[touch.edges.T], grasp.size[touch.edges.T]
    turning = spin[touch.edges.T][..., None] * tangent + jnp.cross(tangent, change) / size[..., None]
    speed = jnp.sum(touch.weights[..., None] * velocity[touch.vertices], 1)
    speed = speed - 0.5 * jnp.cross(jnp.sum(turning, 1), touch.apart)
    sliding = speed - dot(speed, normal)[:, None] * normal
    light = _yielding(touch, grasp, load > 0.0, inverse_mass)
    wanted = impulse - sliding / jnp.where(light > 0.0, light, 1.0)[:, None]
    wanted = jnp.where((light > 0.0)[:, None], wanted, 0.0)
    told = coulomb(contact, wanted, load * step)
    more = told - impulse
    couple = -0.5 * jnp.cross(touch.apart, more)
    twisting = jnp.cross(couple[:, None], tangent) / size[..., None]
    shares = touch.weights[..., None] * more[:, None] + jnp.repeat(twisting, 2, 1) * _SIDES.astype(more.dtype)
    pushed = jnp.zeros_like(velocity).at[touch.vertices].add(shares)
    spun = jnp.zeros_like(spin).at[touch.edges.T].add(jnp.sum(couple[:, None] * tangent, -1))
    return (velocity + inverse_mass[:, None] * pushed, spin + grasp.inverse_inertia * spun), told


def _yielding(
    touch: Touch, grasp: Grasp, active: Bool[Array, " P"], inverse_mass: Float[Array, " V"]
) -> Float[Array, " P"]:
    """At most how fast the surfaces of each pair slide after a friction of 1 N s on all pairs [1/kg]."""
    counts = active.astype(inverse_mass.dtype)[:, None]
    of_vertices = jnp.zeros_like(inverse_mass).at[touch.vertices].add(jnp.broadcast_to(counts, touch.vertices.shape))
    of_edges = jnp.zeros_like(grasp.size).at[touch.edges.T].add(jnp.broadcast_to(counts, touch.edges.T.shape))
    half = 0.5 * length(touch.apart)[:, None]
    lever = jnp.repeat(half / grasp.size[touch.edges.T], 2, 1)
    by_vertices = (jnp.abs(touch.weights) + lever) ** 2 * (of_vertices * inverse_mass)[touch.vertices]
    by_edges = half**2 * (of_edges * grasp.inverse_inertia)[touch.edges.T]
    return jnp.sum(by_vertices, -1) + jnp.sum(by_edges, -1)
