"""What holds a rod: vertices that move as they are told, and edges whose sections turn as they are told."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from diorama.core import Module
from diorama.envs.rope.rod import Rod
from diorama.envs.rope.topology import to_vertices


class Handles(Module):
    """Which vertices and sections are held (1) or free (0), and how those that are held move.

    ``vertices`` [V] with their ``velocity`` [m/s], ``edges`` [E] with the rate ``spin`` [rad/s] of their sections.
    """

    vertices: Float[Array, " V"]
    velocity: Float[Array, "V 3"]
    edges: Float[Array, " E"]
    spin: Float[Array, " E"]


def free(rod: Rod) -> Handles:
    """Nothing is held."""
    still = jnp.zeros((rod.mass.shape[0], 3), rod.mass.dtype)
    return Handles(still[:, 0], still, jnp.zeros_like(rod.rest_length), jnp.zeros_like(rod.rest_length))


def hold(handles: Handles, *vertices: int) -> Handles:
    """Also holds these vertices still, as by a pin: the rod may turn about them."""
    index = jnp.asarray(vertices, jnp.int32)
    velocity = handles.velocity.at[index].set(0.0)
    return Handles(handles.vertices.at[index].set(1.0), velocity, handles.edges, handles.spin)


def clamp(handles: Handles, *edges: int) -> Handles:
    """Also holds these edges still: both of their vertices and the turn of their sections."""
    index = jnp.asarray(edges, jnp.int32) % handles.edges.shape[0]
    grasped = handles.edges.at[index].set(1.0)
    closed = handles.edges.shape[0] == handles.vertices.shape[0]
    picked = jnp.zeros_like(handles.edges).at[index].set(1.0)
    held = jnp.maximum(handles.vertices, jnp.minimum(to_vertices(picked, picked, closed), 1.0))
    return Handles(held, handles.velocity, grasped, handles.spin.at[index].set(0.0))


def move(handles: Handles, vertex: int | Int[Array, " H"], velocity: Float[Array, "*H 3"]) -> Handles:
    """Gives a vertex (or several) that is held a velocity [m/s]; one that is free does not mind."""
    told = handles.velocity.at[vertex].set(velocity)
    return Handles(handles.vertices, told, handles.edges, handles.spin)


def release(handles: Handles, *vertices: int) -> Handles:
    """Lets these vertices go."""
    index = jnp.asarray(vertices, jnp.int32)
    return Handles(handles.vertices.at[index].set(0.0), handles.velocity, handles.edges, handles.spin)


def inverse_mass(rod: Rod, handles: Handles) -> Float[Array, " V"]:
    """One over the mass of each vertex [1/kg]; zero where it is held."""
    return (1.0 - handles.vertices) / rod.mass


def guided(handles: Handles, velocity: Array, spin: Array) -> tuple[Float[Array, "V 3"], Float[Array, " E"]]:
    """Velocities and spins, with those that are held as they are told."""
    held = handles.vertices[:, None]
    return velocity + held * (handles.velocity - velocity), spin + handles.edges * (handles.spin - spin)
