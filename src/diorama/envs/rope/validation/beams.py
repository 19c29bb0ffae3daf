"""Rods that the cases share. All open ones have the same number of vertices, so that they share compiled programs."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.envs.rope.config import RodConfig
from diorama.envs.rope.handles import Handles, clamp, free
from diorama.envs.rope.rod import Rod, RodState, at_rest, make_rod
from diorama.envs.rope.statics import Load, no_load

FREE_EDGES = 40
VERTICES = FREE_EDGES + 2
ROUND = RodConfig(radius=0.01, young=1e8, poisson=0.0, density=1000.0)
"""Section of the canonical cantilever; without transverse strain GJ equals EI."""
EI = ROUND.bend_stiffness[0]
GRAVITY = 9.81


def stiff_along(rod: Rod, factor: float) -> Rod:
    """The same rod, ``factor`` times as stiff against stretch."""
    return dataclasses.replace(rod, stretch=factor * rod.stretch)


def cantilever(stretch: float = 100.0, joints: int = FREE_EDGES) -> tuple[Rod, RodState, Handles]:
    """1 m of rod along x, clamped in the origin at the middle of its first edge; ``joints`` edges and a half stick out.

    A clamp at a vertex would be wrong by half an edge; from the middle of an edge the error falls with its square.
    """
    edge = 1.0 / (joints + 0.5)
    along = edge * (jnp.arange(joints + 2) - 0.5)
    position = along[:, None] * jnp.array([[1.0, 0.0, 0.0]])
    rod = stiff_along(make_rod(ROUND, position), stretch)
    return rod, at_rest(rod, position), clamp(free(rod), 0)


def tip_force(rod: Rod, force: tuple[float, float, float]) -> Load:
    """A dead force [N] on the last vertex."""
    load = no_load(rod)
    return dataclasses.replace(load, force=load.force.at[-1].set(jnp.asarray(force)))


def on_line(length: float) -> Float[Array, "V 3"]:
    """Evenly spaced vertices on the x axis from the origin."""
    return jnp.linspace(0.0, length, VERTICES)[:, None] * jnp.array([[1.0, 0.0, 0.0]])
