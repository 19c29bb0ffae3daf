"""Friction inside a cable: the area of the loop of moment over curvature, and how fast a swing dies."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diorama.envs.rope.config import RodConfig
from diorama.envs.rope.energy import curvature
from diorama.envs.rope.execution import best, constant
from diorama.envs.rope.forces import elastic_forces
from diorama.envs.rope.frames import advance
from diorama.envs.rope.handles import clamp, free, hold
from diorama.envs.rope.hysteresis import hysteresis
from diorama.envs.rope.integrator import Scheme, slipped_on
from diorama.envs.rope.rod import Rod, RodState, at_rest, make_rod, straight
from diorama.envs.rope.surroundings import empty_space
from diorama.envs.rope.validation.result import Result

_SECTION = RodConfig(radius=0.01, young=1e6, poisson=0.0)
_ELEMENTS = ((2e-3, 0.4), (4e-3, 0.8))
"""Bending stiffness [N m^2] and slip curvature [1/m]."""
_CYCLE, _BENT = 400, 2.0


def _arc(curved: np.ndarray, edges: int, size: float) -> np.ndarray:
    """Vertices [T, V, 3] of arcs of these curvatures [1/m], as the discrete rod counts them."""
    turn = 2.0 * np.arctan(0.5 * curved * size)[:, None] * np.arange(edges)[None]
    edge = size * np.stack([np.cos(turn), np.sin(turn), np.zeros_like(turn)], -1)
    return np.concatenate([np.zeros((len(curved), 1, 3)), np.cumsum(edge, 1)], 1)


def _rubbing(place: Array) -> Rod:
    rod = make_rod(_SECTION, place)
    return dataclasses.replace(rod, hysteresis=hysteresis(*_ELEMENTS))


def loop() -> list[Result]:
    """V32: work spent in a cycle of bending to 2/m and back and to the other side, a rod led through arcs."""
    rows, length = [], 0.5
    phase = 2.0 * math.pi * np.arange(2 * _CYCLE + 1) / _CYCLE
    for edges in (10, 40):
        places = _arc(_BENT * np.sin(phase), edges, length / edges)
        forces = np.asarray(jax.jit(_led)(jnp.asarray(places)))
        mean = 0.5 * (forces[1:] + forces[:-1])
        spent = -np.sum(mean * np.diff(places[1:], axis=0), (1, 2))[_CYCLE - 1 :].sum()
        area = sum(4.0 * stiff * slip * (_BENT - slip) for stiff, slip in _ELEMENTS) * length * (1.0 - 1.0 / edges)
        rows.append(Result(f"work of a cycle of bending, {edges} edges [J]", float(spent), area, 1e-3))
    return rows


def _led(places: Array) -> Array:
    """Forces [T, V, 3] on a rod that is led from one of these places [T + 1, V, 3] to the next in each sub-step."""
    rod, step = _rubbing(places[0]), jnp.asarray(1e-3)
    held = hold(free(rod), *range(places.shape[1]))
    led = jax.vmap(lambda velocity: dataclasses.replace(held, velocity=velocity))(jnp.diff(places, axis=0) / step)
    seen = best().travel(rod, at_rest(rod, places[0]), empty_space(), led, Scheme(step), steps=1)
    return jax.vmap(lambda state: _force(rod, state))(seen)


def _force(rod: Rod, state: RodState) -> Array:
    frames = advance(state.frames, state.position, rod.closed)
    stuck = slipped_on(rod, state, frames)
    return elastic_forces(rod, state.position, state.angle, frames, state.rest_curvature, stuck)[0]


def decay() -> list[Result]:
    """V33: one joint that swings freely: each turn of the swing by the energy that slipping took since the last."""
    size, bent = 0.1, 4.0
    curved = np.asarray(jax.jit(_swinging)(jnp.asarray(_arc(np.array([bent]), 2, size)[0])))
    turns = [k for k in range(1, len(curved) - 1) if curved[k] >= curved[k - 1] and curved[k] > curved[k + 1]]
    rows, stiff, of = [], _SECTION.bend_stiffness[0], np.asarray(_ELEMENTS)
    for number in range(3):
        bent = _following(bent, stiff, of)
        rows.append(Result(f"curvature at turn {number + 1} [1/m]", float(curved[turns[number]]), bent, 1e-4))
    return rows


def _swinging(place: Array) -> Array:
    """How far the joint of a rod of two edges is bent [1/m], whose first edge is held, after each sub-step."""
    rod = _rubbing(straight(0.2, 3))
    held, scheme = constant(clamp(free(rod), 0), 5000), Scheme(jnp.asarray(1e-4), inextensible=True)
    seen = best().travel(rod, at_rest(rod, place), empty_space(), held, scheme, steps=1)

    def bent(state: RodState) -> Array:
        return curvature(rod, advance(state.frames, state.position, False), state.angle)[0]

    return jnp.linalg.norm(jax.vmap(bent)(seen), axis=-1) / rod.span[0]


def _following(bent: float, stiff: float, of: np.ndarray) -> float:
    """The next turn, where elastic energy plus what slipping takes is that of the last (all elements slip)."""
    moment, spared = float(of[:, 0] @ of[:, 1]), float(of[:, 0] @ of[:, 1] ** 2)
    root = moment**2 + stiff**2 * bent**2 - 2.0 * stiff * (moment * bent - 2.0 * spared)
    return (math.sqrt(root) - moment) / stiff


RUBBING_CASES = {"V32 loop of bending": loop, "V33 swing that dies": decay}
"""By name."""
