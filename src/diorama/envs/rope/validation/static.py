"""Rest under load: Hooke, the elastica, the catenary, the plastic set."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np

from diorama.envs.rope.energy import curvature
from diorama.envs.rope.forces import stress
from diorama.envs.rope.frames import first_frames
from diorama.envs.rope.handles import free, hold
from diorama.envs.rope.plasticity import Plasticity, return_map
from diorama.envs.rope.rod import RodState, at_rest, make_rod
from diorama.envs.rope.statics import equilibrium, no_load, weight
from diorama.envs.rope.validation.beams import (
    EI,
    FREE_EDGES,
    GRAVITY,
    ROUND,
    cantilever,
    on_line,
    stiff_along,
    tip_force,
)
from diorama.envs.rope.validation.result import Result

_CIRCLE = 120
HEAVY = {1.0: (0.991246, 0.123471), 3.924: (0.893371, 0.419200), 10.0: (0.656354, 0.700200)}
END_LOADED = {1.0: (0.943567, 0.301721), 2.0: (0.839358, 0.493457), 5.0: (0.612372, 0.713792)}
CATENARY = {0.5: (0.398194, 0.513014), 0.8: (0.265438, 0.603639), 0.9: (0.190709, 0.750803)}


def hooke() -> list[Result]:
    """V1: elongation by a force at the tip, and by the rod's own weight."""
    rod, start, held = cantilever(1.0)
    sticks_out = FREE_EDGES * float(rod.rest_length[0])
    pulled = equilibrium(rod, start, tip_force(rod, (10.0, 0.0, 0.0)), held)
    hung = equilibrium(rod, start, weight(rod, jnp.array([GRAVITY, 0.0, 0.0])), held)
    longer = [float(state.position[-1, 0] - start.position[-1, 0]) for state in (pulled, hung)]
    by_weight = ROUND.density * GRAVITY * sticks_out**2 / (2.0 * ROUND.young)
    return [
        Result("elongation by a force [m]", longer[0], 10.0 * sticks_out / ROUND.stretch_stiffness, 1e-6),
        Result("elongation by its weight [m]", longer[1], by_weight, 1e-6),
    ]


def heavy_cantilever() -> list[Result]:
    """V2: the elastica under its own weight; the sag of 40 edges is known to be 2.4e-4 short at 3.924."""
    rod, start, held = cantilever()
    results = []
    for ratio, (reach, sag) in HEAVY.items():
        gravity = ratio * EI / ROUND.line_density
        tip = equilibrium(rod, start, weight(rod, jnp.array([0.0, -gravity, 0.0])), held).position[-1]
        results.append(Result(f"reach at wL^3/EI = {ratio}", float(tip[0]), reach, 1e-3))
        results.append(Result(f"sag at wL^3/EI = {ratio}", -float(tip[1]), sag, 1e-3))
        if ratio == 3.924:
            results.append(Result("sag less its limit, 40 edges", -float(tip[1]) - sag, -2.4e-4, 0.1))
    return results


def end_loaded_cantilever() -> list[Result]:
    """V3: the elastica of Bisshopp and Drucker."""
    rod, start, held = cantilever()
    results = []
    for ratio, (reach, sag) in END_LOADED.items():
        tip = equilibrium(rod, start, tip_force(rod, (0.0, -ratio * EI, 0.0)), held).position[-1]
        results.append(Result(f"reach at PL^2/EI = {ratio}", float(tip[0]), reach, 1e-3))
        results.append(Result(f"deflection at PL^2/EI = {ratio}", -float(tip[1]), sag, 1e-3))
    return results


def small_deflection() -> list[Result]:
    """V4: small loads."""
    rod, start, held = cantilever()
    point = equilibrium(rod, start, tip_force(rod, (0.0, -0.01 * EI, 0.0)), held).position[-1, 1]
    gravity = 0.01 * EI / ROUND.line_density
    even = equilibrium(rod, start, weight(rod, jnp.array([0.0, -gravity, 0.0])), held).position[-1, 1]
    return [
        Result("deflection under a point load", -float(point), 0.01 / 3.0, 1e-2),
        Result("deflection under an even load", -float(even), 0.01 / 8.0, 1e-2),
    ]


def closed_circle() -> list[Result]:
    """V4: the end moment that closes a circle.

    A moment about a fixed axis buckles a round rod out of the plane, so this one is stiff against that.

    The energy of a joint that turns by phi is EI (2 tan(phi / 2))^2 / 2l, so t = tan(phi / 2) solves t + t^3 = pi / n
    at each of n joints, and a gap is left that falls with n^2. It starts from an arc of 97 % of the turn.
    """
    rod, _, held = cantilever(joints=_CIRCLE)
    rod = dataclasses.replace(rod, bend=rod.bend * jnp.array([1.0, 1e3]), twist=1e3 * rod.twist)
    edge = float(rod.rest_length[0])
    heading = 0.97 * 2.0 * math.pi * jnp.arange(_CIRCLE + 1) / _CIRCLE
    steps = edge * jnp.stack([jnp.cos(heading), jnp.sin(heading), jnp.zeros_like(heading)], -1)
    arc = jnp.concatenate([jnp.zeros((1, 3)), jnp.cumsum(steps, 0)])
    moment = no_load(rod).moment.at[-1].set(2.0 * math.pi * EI / (_CIRCLE * edge))
    state = equilibrium(rod, at_rest(rod, arc), dataclasses.replace(no_load(rod), moment=moment), held)
    middle = 0.5 * (state.position[1:] + state.position[:-1])
    gap = float(jnp.linalg.norm(middle[-1] - middle[0])) / (_CIRCLE * edge)
    half = float(np.roots([1.0, 0.0, 1.0, -math.pi / _CIRCLE])[-1].real)
    left = 2.0 * math.atan(half) * _CIRCLE - 2.0 * math.pi
    tangent = state.frames.tangent[-1]
    turn = float(jnp.arctan2(tangent[1], tangent[0]))
    return [
        Result(f"turn by 2 pi EI/L less 2 pi, {_CIRCLE} joints [rad]", turn, left, 1e-3),
        Result("gap of the circle over its length", gap, 0.0, 1e-3, absolute=True),
    ]


def catenary() -> list[Result]:
    """V5: a limp rod hung at both ends."""
    flat = on_line(1.0)
    soft = dataclasses.replace(make_rod(ROUND, flat), bend=1e-6 * EI * jnp.ones((FREE_EDGES, 2)))
    load = weight(soft, jnp.array([0.0, -GRAVITY, 0.0]))
    held = hold(free(soft), 0, FREE_EDGES + 1)
    heavy = float(ROUND.line_density) * GRAVITY
    results = []
    for apart, (sag, tension) in CATENARY.items():
        state = equilibrium(soft, at_rest(soft, _hung(apart)), load, held)
        edge = FREE_EDGES // 2
        low = -0.5 * float(state.position[edge, 1] + state.position[edge + 1, 1])
        carried = stress(soft, state.position, state.angle, state.frames, state.rest_curvature)
        pull = np.asarray(carried.tension[0] * state.frames.tangent[0])
        end = math.hypot(pull[0], abs(pull[1]) + 0.5 * heavy * float(soft.rest_length[0])) / heavy
        results += [
            Result(f"sag at d = {apart}", low, sag, 5e-3),
            Result(f"tension at d = {apart}", end, tension, 5e-3),
        ]
    return results


def _hung(apart: float) -> jnp.ndarray:
    """A parabola of length 1 between two points ``apart``, with even distances along it."""
    across = np.linspace(0.0, apart, 2001)
    low, high = 0.0, 1.0
    for _ in range(50):
        deep = 0.5 * (low + high)
        drop = -4.0 * deep * across * (apart - across) / apart**2
        along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(across), np.diff(drop)))])
        low, high = (deep, high) if along[-1] < 1.0 else (low, deep)
    even = np.linspace(0.0, along[-1], FREE_EDGES + 2)
    return jnp.asarray(np.stack([np.interp(even, along, across), np.interp(even, along, drop), 0.0 * even], -1))


def plastic_set() -> list[Result]:
    """V16: the curvature that stays after bending to an arc: the same per length for 20 and for 80 edges."""
    bent, yields, results = 5.0, jnp.asarray(2.0), []
    for edges in (20, 80):
        turn = bent * jnp.linspace(0.0, 1.0, edges + 1)
        arc = jnp.stack([jnp.sin(turn), 1.0 - jnp.cos(turn), jnp.zeros_like(turn)], -1) / bent
        rod = make_rod(ROUND, arc)
        felt = curvature(rod, first_frames(arc, False), jnp.zeros(edges)) / rod.span[:, None]
        full = return_map(Plasticity(yields, jnp.asarray(1.0)), felt, rod.rest_curvature)
        kept = float(jnp.linalg.norm(full[edges // 2]))
        results.append(Result(f"curvature that stays, {edges} edges [1/m]", kept, bent - 2.0, 2e-2))
        rest = rod.rest_curvature
        for _ in range(5):
            rest = return_map(Plasticity(yields, jnp.asarray(0.4)), felt, rest)
        left = 1.0 - float(jnp.linalg.norm(rest[edges // 2])) / kept
        results.append(Result(f"excess left after 5 shares of 0.4, {edges} edges", left, 0.6**5, 1e-9))
    return results


def helix() -> list[Result]:
    """V13: a straight rod let go with rest curvature 10 and rest twist 5 [1/m]."""
    start = on_line(1.0)
    config = dataclasses.replace(ROUND, rest_curvature=(0.0, 10.0), rest_twist=5.0)
    rod = stiff_along(make_rod(config, start), 1.0)
    state = equilibrium(rod, _nudged(rod, start), no_load(rod), free(rod), tolerance=1e-8)
    joints = np.diff(np.asarray(state.position), axis=0)
    axis = np.linalg.svd(np.diff(joints, axis=0))[2][-1]
    rise = abs((joints @ axis).mean())
    slope = rise / float(np.linalg.norm(joints, axis=1).mean())
    return [Result("rise of the helix over its length", float(slope), 5.0 / math.hypot(10.0, 5.0), 1e-2)]


def _nudged(rod, position) -> RodState:
    return at_rest(rod, position + 1e-3 * jnp.sin(3.0 * jnp.arange(3.0 * FREE_EDGES + 6.0)).reshape(-1, 3))


STATIC_CASES = {
    "V1 Hooke": hooke,
    "V2 heavy cantilever": heavy_cantilever,
    "V3 end-loaded cantilever": end_loaded_cantilever,
    "V4 small loads": small_deflection,
    "V4b closed circle": closed_circle,
    "V5 catenary": catenary,
    "V13 helix": helix,
    "V16 plastic set": plastic_set,
}
"""By name."""
