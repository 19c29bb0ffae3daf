"""What holds a rod, and how it moves: as told without regard to force, or by springs that give way.

`hold` and `clamp` fix vertices and sections; `grasp` and `grasp_edge` draw them to targets with no more than a largest
force (see `springs`). `move` and `turn` tell either how fast to go, `release` and `release_edges` let go of either.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from diorama.core import Module
from diorama.envs.rope.rod import Rod, RodState
from diorama.envs.rope.springs import Spring, Springs, drawn
from diorama.envs.rope.topology import to_vertices


class Handles(Module):
    """Which vertices and sections are held (1) or free (0), and how those that are held move.

    ``vertices`` [V] with their ``velocity`` [m/s], ``edges`` [E] with the rate ``spin`` [rad/s] of their sections.
    ``springs`` draw vertices and sections that are free to targets, which move with the same velocities and rates.
    """

    vertices: Float[Array, " V"]
    velocity: Float[Array, "V 3"]
    edges: Float[Array, " E"]
    spin: Float[Array, " E"]
    springs: Springs | None = None


def free(rod: Rod) -> Handles:
    """Nothing is held."""
    still = jnp.zeros((rod.mass.shape[0], 3), rod.mass.dtype)
    return Handles(still[:, 0], still, jnp.zeros_like(rod.rest_length), jnp.zeros_like(rod.rest_length))


def hold(handles: Handles, *vertices: int) -> Handles:
    """Also holds these vertices still, as by a pin: the rod may turn about them."""
    index = jnp.asarray(vertices, jnp.int32)
    velocity = handles.velocity.at[index].set(0.0)
    return dataclasses.replace(handles, vertices=handles.vertices.at[index].set(1.0), velocity=velocity)


def clamp(handles: Handles, *edges: int) -> Handles:
    """Also holds these edges still: both of their vertices and the turn of their sections."""
    index = jnp.asarray(edges, jnp.int32) % handles.edges.shape[0]
    grasped = handles.edges.at[index].set(1.0)
    closed = handles.edges.shape[0] == handles.vertices.shape[0]
    picked = jnp.zeros_like(handles.edges).at[index].set(1.0)
    held = jnp.maximum(handles.vertices, jnp.minimum(to_vertices(picked, picked, closed), 1.0))
    return dataclasses.replace(handles, vertices=held, edges=grasped, spin=handles.spin.at[index].set(0.0))


def grasp(handles: Handles, vertex: int | Int[Array, " H"], place: Float[Array, "*H 3"], spring: Spring) -> Handles:
    """Also draws a vertex (or several) to ``place`` [m], which stays where it is until `move` tells it otherwise."""
    springs = _springs(handles)
    springs = dataclasses.replace(
        springs, place=springs.place.at[vertex].set(place), pull=_put(springs.pull, vertex, spring)
    )
    return dataclasses.replace(handles, velocity=handles.velocity.at[vertex].set(0.0), springs=springs)


def grasp_edge(
    handles: Handles, edge: int, ends: Float[Array, "2 3"], angle: Float[Array, ""], spring: Spring, twist: Spring
) -> Handles:
    """Also draws both vertices of an edge to ``ends`` [m], and its section to ``angle`` [rad], as by soft jaws.

    The angle is that of the state, against the reference frame: which turns with the edge and not about it.
    """
    other = (edge + 1) % handles.vertices.shape[0]
    handles = grasp(grasp(handles, edge, ends[0], spring), other, ends[1], spring)
    springs = handles.springs
    springs = dataclasses.replace(
        springs, angle=springs.angle.at[edge].set(angle), twist=_put(springs.twist, edge, twist)
    )
    return dataclasses.replace(handles, spin=handles.spin.at[edge].set(0.0), springs=springs)


def move(handles: Handles, vertex: int | Int[Array, " H"], velocity: Float[Array, "*H 3"]) -> Handles:
    """Gives a vertex (or several) that is held, or its target, a velocity [m/s]; one that is free does not mind."""
    return dataclasses.replace(handles, velocity=handles.velocity.at[vertex].set(velocity))


def turn(handles: Handles, edge: int | Int[Array, " H"], spin: Float[Array, "*H"]) -> Handles:
    """Gives a section (or several) that is held, or its target, a rate [rad/s]; one that is free does not mind."""
    return dataclasses.replace(handles, spin=handles.spin.at[edge].set(spin))


def release(handles: Handles, *vertices: int) -> Handles:
    """Lets these vertices go."""
    index, springs = jnp.asarray(vertices, jnp.int32), handles.springs
    if springs is not None:
        springs = dataclasses.replace(springs, pull=_let_go(springs.pull, index))
    return dataclasses.replace(handles, vertices=handles.vertices.at[index].set(0.0), springs=springs)


def release_edges(handles: Handles, *edges: int) -> Handles:
    """Lets the sections of these edges turn as they will; their vertices stay held, if they are."""
    index, springs = jnp.asarray(edges, jnp.int32), handles.springs
    if springs is not None:
        springs = dataclasses.replace(springs, twist=_let_go(springs.twist, index))
    return dataclasses.replace(handles, edges=handles.edges.at[index].set(0.0), springs=springs)


def later(handles: Handles, seconds: Float[Array, ""]) -> Handles:
    """The handles with their targets where they are so much later."""
    springs = handles.springs
    if springs is None:
        return handles
    place, angle = springs.place + seconds * handles.velocity, springs.angle + seconds * handles.spin
    return dataclasses.replace(handles, springs=dataclasses.replace(springs, place=place, angle=angle))


def going_on(handles: Handles, seconds: float, periods: int) -> Handles:
    """The handles [T, ...] of so many periods of so many seconds, whose targets go on evenly through all of them."""
    times = seconds * jnp.arange(periods, dtype=handles.velocity.dtype)
    return jax.vmap(lambda time: later(handles, time))(times)


def sprung(
    rod: Rod, handles: Handles, state: RodState, step: Float[Array, ""]
) -> tuple[Float[Array, "V 3"], Float[Array, " E"]]:
    """The forces on vertices [N] and the torques on sections [N m] of springs: what soft grippers would feel."""
    springs = handles.springs
    if springs is None:
        return jnp.zeros_like(state.position), jnp.zeros_like(state.angle)
    away, slower = springs.place - state.position, handles.velocity - state.velocity
    turn, turning = (springs.angle - state.angle)[:, None], (handles.spin - state.spin)[:, None]
    force = drawn(springs.pull, rod.mass, away, slower, step)
    return force, drawn(springs.twist, rod.spin_inertia, turn, turning, step)[:, 0]


def inverse_mass(rod: Rod, handles: Handles) -> Float[Array, " V"]:
    """One over the mass of each vertex [1/kg]; zero where it is held."""
    return (1.0 - handles.vertices) / rod.mass


def guided(handles: Handles, velocity: Array, spin: Array) -> tuple[Float[Array, "V 3"], Float[Array, " E"]]:
    """Velocities and spins, with those that are held as they are told."""
    held = handles.vertices[:, None]
    return velocity + held * (handles.velocity - velocity), spin + handles.edges * (handles.spin - spin)


def _springs(handles: Handles) -> Springs:
    if handles.springs is not None:
        return handles.springs
    vertices, edges = jnp.zeros_like(handles.vertices), jnp.zeros_like(handles.edges)
    return Springs(handles.velocity * 0.0, edges, Spring(*[vertices] * 3), Spring(*[edges] * 3))


def _put(springs: Spring, index: int | Array, one: Spring) -> Spring:
    return jax.tree.map(lambda all_, value: all_.at[index].set(value), springs, one)


def _let_go(springs: Spring, index: Array) -> Spring:
    return jax.tree.map(lambda all_: all_.at[index].set(0.0), springs)
