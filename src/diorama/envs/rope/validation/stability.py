"""Small motions about rest: buckling loads, twist that throws a rod out of its plane, frequencies."""

import dataclasses
import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from diorama.envs.rope.config import RodConfig
from diorama.envs.rope.forces import stress
from diorama.envs.rope.handles import clamp, free, hold
from diorama.envs.rope.rod import at_rest, make_rod, ring
from diorama.envs.rope.statics import equilibrium, frequencies, no_load, stiffness_matrix, weight
from diorama.envs.rope.validation.beams import (
    EI,
    FREE_EDGES,
    GRAVITY,
    ROUND,
    VERTICES,
    cantilever,
    on_line,
    stiff_along,
)
from diorama.envs.rope.validation.result import Result

_RING = 48


def _threshold(lowest: Callable[[float], float], low: float, high: float, halvings: int = 14) -> float:
    """Where ``lowest``, an eigenvalue, crosses zero downwards."""
    for _ in range(halvings):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if lowest(middle) > 0.0 else (low, middle)
    return 0.5 * (low + high)


def euler_buckling() -> list[Result]:
    """V9: the load that buckles a pinned rod, and the arch after it."""
    flat = on_line(1.0)
    rod = stiff_along(make_rod(ROUND, flat), 1000.0)
    held = clamp(free(rod), 0)
    held = dataclasses.replace(held, vertices=held.vertices.at[1].set(0.0).at[-1].set(1.0))

    def lowest(load: float) -> float:
        pressed = flat * (1.0 - load / (1000.0 * ROUND.stretch_stiffness))
        return float(np.linalg.eigvalsh(stiffness_matrix(rod, at_rest(rod, pressed), no_load(rod), held)[0])[0])

    edges = FREE_EDGES + 1
    euler = math.pi**2 * EI
    load = _threshold(lowest, 0.98 * euler, 1.02 * euler)
    arch = flat * (1.0 - 0.258980) + 0.3 * jnp.sin(math.pi * flat[:, :1]) * jnp.array([[0.0, 1.0, 0.0]])
    state = equilibrium(rod, at_rest(rod, arch), no_load(rod), held)
    carried = stress(rod, state.position, state.angle, state.frames, state.rest_curvature)
    middle = FREE_EDGES // 2
    force = -float(carried.tension[middle] * state.frames.tangent[middle, 0])
    return [
        Result(
            "load over Euler's, 41 edges",
            load / euler,
            4.0 * edges**2 * math.sin(math.pi / 2 / edges) ** 2 / math.pi**2,
            1e-4,
        ),
        Result("load of the arch of 60 degrees over Euler's", force / euler, 1.151720, 2e-3),
        Result("height of that arch", float(jnp.mean(state.position[middle : middle + 2, 1])), 0.296604, 2e-3),
    ]


def michell_ring() -> list[Result]:
    """V10: the twist at which a straight rod, closed to a ring, writhes; 48 edges are known to be 1.36 % high."""
    place = ring(1.0, _RING)
    config = RodConfig(radius=0.01, young=1e8, poisson=0.0, closed=True)
    plain = stiff_along(make_rod(config, place), 5.0)
    held = free(plain)

    def lowest(turn: float) -> float:
        rod = dataclasses.replace(plain, rest_twist=jnp.full(_RING, -turn))
        values = np.linalg.eigvalsh(stiffness_matrix(rod, at_rest(rod, place), no_load(rod), held)[0])
        return values[0] + 1e-3 * EI  # seven motions cost no energy: their eigenvalues are rounding

    return [Result("critical twist, 48 edges [rad]", _threshold(lowest, 10.0, 12.0), 10.8828 * 1.0136, 2e-3)]


def clamped_twisted_rod() -> list[Result]:
    """V11: the twist at which a clamped straight rod without tension buckles: twice the root of tan x = x.

    40 joints between clamped edges give 9.02671, by the eigenvalues of the linear chain written out by itself.
    """
    place = on_line(1.0)
    plain = make_rod(ROUND, place)
    held = clamp(free(plain), 0, FREE_EDGES)
    arc = FREE_EDGES * float(plain.rest_length[0])

    def lowest(turn: float) -> float:
        rod = dataclasses.replace(plain, rest_twist=jnp.full(FREE_EDGES, -turn / arc))
        return float(np.linalg.eigvalsh(stiffness_matrix(rod, at_rest(rod, place), no_load(rod), held)[0])[0])

    turn = _threshold(lowest, 8.5, 9.5)
    return [
        Result("critical twist, 40 joints [rad]", turn, 9.026711, 1e-4),
        Result("critical twist against its limit [rad]", turn, 8.9868, 5e-3),
    ]


def uniform_twist() -> list[Result]:
    """V12: a torque at the end twists evenly and bends nothing; the lowest tone of twist checks the polar inertia."""
    rod, start, held = cantilever(1.0)
    load = dataclasses.replace(no_load(rod), torque=no_load(rod).torque.at[-1].set(0.3))
    state = equilibrium(rod, start, load, held)
    angle = 0.3 * jnp.arange(FREE_EDGES + 1) * rod.rest_length[0] / ROUND.twist_stiffness
    still = hold(held, *range(VERTICES))
    tone = frequencies(*stiffness_matrix(rod, start, no_load(rod), still))[0]
    wave = math.sqrt(ROUND.young / 2.0 / ROUND.density)
    exact = wave / math.pi / float(rod.rest_length[0]) * math.sin(math.pi / (4 * FREE_EDGES + 2))
    return [
        Result("largest error of the angle", float(jnp.abs(state.angle - angle).max()), 0.0, 1e-8, absolute=True),
        Result(
            "largest motion of a vertex",
            float(jnp.abs(state.position - start.position).max()),
            0.0,
            1e-8,
            absolute=True,
        ),
        Result("lowest tone of twist [Hz]", float(tone), exact, 1e-8),
        Result("lowest tone of twist against a bar's [Hz]", float(tone), wave / 4.0, 1e-2),
    ]


def hanging_chain() -> list[Result]:
    """V6: the swings of a limp rod hung at one end."""
    place = on_line(1.0)[:, jnp.array([1, 0, 2])] * jnp.array([[1.0, -1.0, 1.0]])
    rod = make_rod(ROUND, place)
    rod = dataclasses.replace(rod, bend=1e-9 * rod.bend)
    held = hold(free(rod), 0)
    held = dataclasses.replace(held, edges=jnp.ones_like(held.edges))
    load = weight(rod, jnp.array([0.0, -GRAVITY, 0.0]))
    state = equilibrium(rod, at_rest(rod, place), load, held)
    tones = frequencies(*stiffness_matrix(rod, state, load, held))
    rows = [
        ("tone 1", 0, 0.599388, 1e-3),
        ("tone 1, 41 edges", 0, 0.599283, 1e-4),
        ("tone 2, 41 edges", 2, 1.372705, 1e-4),
    ]
    return [Result(f"{name} [Hz]", float(tones[at]), exact, allowed) for name, at, exact, allowed in rows]


def cantilever_tones() -> list[Result]:
    """V8: the tones of a clamped rod."""
    rod, start, held = cantilever()
    tones = frequencies(*stiffness_matrix(rod, start, no_load(rod), held))
    return [
        Result(f"tone {k // 2 + 1} of a cantilever [Hz]", float(tones[k]), f, 1e-2)
        for k, f in ((0, 0.88479), (2, 5.54489))
    ]


STABILITY_CASES = {
    "V6 hanging chain": hanging_chain,
    "V8 tones of a cantilever": cantilever_tones,
    "V9 Euler buckling": euler_buckling,
    "V10 Michell's ring": michell_ring,
    "V11 clamped twisted rod": clamped_twisted_rod,
    "V12 uniform twist": uniform_twist,
}
"""By name."""
