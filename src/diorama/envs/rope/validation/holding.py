"""Handles that give way: the oscillator that they make, what they carry, and how what they cannot carry falls."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diorama.envs.rope.config import RodConfig
from diorama.envs.rope.execution import best, constant
from diorama.envs.rope.handles import free, going_on, grasp, grasp_edge, move, sprung
from diorama.envs.rope.integrator import Scheme
from diorama.envs.rope.rod import at_rest, make_rod, straight
from diorama.envs.rope.springs import spring
from diorama.envs.rope.surroundings import empty_space, on_earth
from diorama.envs.rope.validation.result import Result

_SECTION = RodConfig(radius=0.01, young=1e6)
_ENDLESS = 1e9
_TORQUE = 1e-4
_WEAK = 0.4
"""What a handle can bear [N]: about a quarter of the rope."""


_STIFFNESS, _DAMPING, _STEP = 100.0, 0.1, 1e-4


def drawn() -> list[Result]:
    """V34: a rod of one edge whose vertices springs draw sideways; and one that is drawn along and turned."""
    place = straight(0.1, 2)
    away, spin, along = (np.asarray(part) for part in jax.jit(_drawn)(place))
    rod = make_rod(_SECTION, place)
    mass = float(rod.mass[0])
    # A sub-step keeps this share of a velocity, and its two numbers have roots whose product is that share.
    share = 1.0 / (1.0 + _STEP * _DAMPING / mass)
    turn = math.acos(0.5 * (1.0 + share - _STEP**2 * _STIFFNESS / mass) / math.sqrt(share))
    crossed = np.flatnonzero((away[:-1] < 0.0) & (away[1:] >= 0.0))
    at = crossed + away[crossed] / (away[crossed] - away[crossed + 1])
    period, peaks = 2.0 * math.pi / turn, [away[a:b].max() for a, b in zip(crossed[:-1], crossed[1:], strict=True)]
    found, smooth = float(np.diff(at).mean()), math.sqrt(_STIFFNESS / mass - (0.5 * _DAMPING / mass) ** 2)
    return [
        Result("period of a drawn vertex [sub-steps]", found, period, 1e-6),
        Result("the same against an oscillator's [s]", found * _STEP, 2.0 * math.pi / smooth, 1e-3),
        Result("what is left of it after a period", float(peaks[1] / peaks[0]), share ** (0.5 * period), 1e-4),
        Result(
            "rate of a turned section over time [rad/s^2]",
            float(spin) / 0.3,
            _TORQUE / float(rod.spin_inertia[0]),
            1e-9,
        ),
        Result("way of a drawn rod in 0.3 s [m]", float(along), 0.03, 1e-4),
    ]


def _drawn(place: Array) -> tuple[Array, Array, Array]:
    """How far a vertex is from its target after each sub-step; spin and way of a rod that is turned and drawn along."""
    rod, both, scheme = make_rod(_SECTION, place), jnp.array([0, 1]), Scheme(jnp.asarray(_STEP))
    start, target = at_rest(rod, place), place + jnp.array([[0.0, 0.0, 0.01]])
    held = grasp(free(rod), both, target, spring(_STIFFNESS, _DAMPING, _ENDLESS))
    swings = best().travel(rod, start, empty_space(), constant(held, 2000), scheme, steps=1)
    held = grasp_edge(free(rod), 0, place, jnp.asarray(50.0), spring(1e3, 1.0, _ENDLESS), spring(1.0, 0.0, _TORQUE))
    held = going_on(move(held, both, jnp.array([[0.0, 0.1, 0.0]] * 2)), 0.1, 3)
    goes = best().travel(rod, start, empty_space(), held, scheme, steps=1000)
    return swings.position[:, 0, 2] - 0.01, goes.spin[-1, 0], goes.position[-1, 0, 1]


def hung() -> list[Result]:
    """V35: a rope that keeps its length hangs by a handle that gives way, and falls where that is too weak."""
    place = straight(0.5, 6, (0.0, 0.0, -1.0))
    mass = float(make_rod(_SECTION, place).mass.sum())
    sag, felt, speeds = (np.asarray(part) for part in jax.jit(_hung)(place))
    falls = 9.81 - _WEAK / mass
    return [
        Result("sag of the handle [m]", float(sag), 9.81 * mass / 500.0, 1e-6),
        Result("what it feels [N]", float(felt), 9.81 * mass, 1e-6),
        Result("acceleration of a rope that is too heavy [m/s^2]", float(speeds[1] - speeds[0]) / 0.1, falls, 1e-6),
    ]


def _hung(place: Array) -> tuple[Array, Array, Array]:
    """Sag and force of a handle that bears, and how fast [m/s] a rope falls from one that does not, 0.1 s apart."""
    rod, scheme = make_rod(_SECTION, place), Scheme(jnp.asarray(2e-4), inextensible=True)
    bears = grasp(free(rod), 0, place[0], spring(500.0, 5.0, 6.0))
    rest = best().travel(rod, at_rest(rod, place), on_earth(20.0), constant(bears), scheme, steps=20000)
    rest = jax.tree.map(lambda leaf: leaf[-1], rest)
    weak = constant(grasp(free(rod), 0, place[0], spring(5e3, 0.0, _WEAK)), 2)
    falls = best().travel(rod, at_rest(rod, place), on_earth(), weak, scheme, steps=500)
    speeds = -falls.velocity[:, :, 2] @ rod.mass / rod.mass.sum()
    return -rest.position[0, 2], sprung(rod, bears, rest, scheme.step)[0][0, 2], speeds


HOLDING_CASES = {"V34 drawn by springs": drawn, "V35 hung by a spring": hung}
"""By name."""
