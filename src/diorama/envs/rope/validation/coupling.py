"""Link, twist and writhe; sections and curves that bend out of the plane; orders of convergence."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.envs.rope.energy import curvature, twist
from diorama.envs.rope.execution import best, constant
from diorama.envs.rope.frames import Frames, advance, first_frames
from diorama.envs.rope.handles import clamp, free
from diorama.envs.rope.integrator import Scheme
from diorama.envs.rope.rod import RodState, at_rest, make_rod, ring, straight
from diorama.envs.rope.statics import equilibrium, weight
from diorama.envs.rope.surroundings import Surroundings
from diorama.envs.rope.validation.beams import EI, FREE_EDGES, GRAVITY, ROUND, cantilever, tip_force
from diorama.envs.rope.validation.result import Result

TURNS = 3.0
_SMALL = 1e-3
"""Load in units of EI/L^2: small enough for linear theory, large enough for double precision."""
_SAG = 0.238507
"""Of the heavy elastica at wL^3/EI = 2."""


def link() -> list[Result]:
    """V14: link is twist and writhe (Calugareanu, White, Fuller) and stays, while a twisted ring leaves its plane.

    The ring holds 3 turns, more than the 1.73 at which Michell's ring buckles, so that twist becomes writhe. It is
    let go for 10,000 sub-steps, which end before any of its parts meet: a rod that passes through itself changes its
    link. Then a flat ring is tumbled ten times: the frames of a flat closed curve come back without a turn.
    """
    place = ring(1.0, 48)
    place = place + _SMALL * jnp.sin(2.0 * jnp.arange(48.0) * 2.0 * math.pi / 48)[:, None] * jnp.array(
        [[0.0, 0.0, 1.0]]
    )
    rod = make_rod(dataclasses.replace(ROUND, closed=True), place)
    state = _twisted(at_rest(rod, place), TURNS)
    zero = jnp.zeros(())
    seen = best().travel(
        rod,
        state,
        Surroundings(jnp.zeros(3), zero, zero),
        constant(free(rod), 20),
        Scheme(jnp.asarray(0.06 * float(rod.rest_length[0]) * math.sqrt(ROUND.density / ROUND.young))),
        steps=500,
    )
    # The frames are those of a sub-step before, so all is counted where the frames are carried to the positions.
    frames = jax.vmap(lambda one: advance(one.frames, one.position, True))(seen)
    twists = np.asarray(jax.vmap(lambda one, angle: twist(rod, one, angle).sum())(frames, seen.angle)) / (2.0 * math.pi)
    writhes = np.array([writhe(np.asarray(one)) for one in seen.position])
    return [
        Result("link less the turns put in [turns]", float(np.abs(twists + writhes - TURNS).max()), 0.0, 1e-6, True),
        Result("whether twist became writhe (1 is yes)", float(np.ptp(writhes) > 0.3), 1.0, 0.0),
        Result("turns of the frames of a flat ring tumbled ten times", _tumbled(), 0.0, 1e-6, absolute=True),
    ]


def _twisted(state: RodState, turns: float) -> RodState:
    """The state with its sections turned evenly, and the rest of the turns where the ring closes."""
    count = state.angle.shape[0]
    angle = 2.0 * math.pi * turns * jnp.arange(float(count)) / count
    held = dataclasses.replace(state.frames, twist=state.frames.twist.at[0].add(2.0 * math.pi * turns))
    return dataclasses.replace(state, angle=angle, frames=held)


def _tumbled() -> float:
    """The sum of the reference twist [turns] after ten turns of a ring about an axis in no plane of symmetry."""
    place, axis = ring(1.0, 24), jnp.array([0.6, 0.48, 0.64])
    cross = jnp.cross(jnp.eye(3), axis)

    def turned(frames: Frames, angle: Float[Array, ""]) -> tuple[Frames, None]:
        matrix = jnp.eye(3) + jnp.sin(angle) * cross + (1.0 - jnp.cos(angle)) * cross @ cross
        return advance(frames, place @ matrix, True), None

    angles = jnp.linspace(0.0, 20.0 * math.pi, 401)[1:]
    last = jax.jit(lambda start: jax.lax.scan(turned, start, angles)[0])(first_frames(place, True))
    return float(jnp.abs(last.twist.sum())) / (2.0 * math.pi)


def writhe(position: np.ndarray) -> float:
    """Of a closed polygon [V, 3]: its signed crossings over all directions (Klenin and Langowski 2000, method 1a)."""
    ahead = np.roll(position, -1, 0)
    first, second = np.triu_indices(len(position), 2)
    apart = second - first < len(position) - 1  # the last edge and the first are neighbours, which lie in one plane
    first, second = first[apart], second[apart]
    a, b, c, d = position[first], ahead[first], position[second], ahead[second]
    normals = [np.cross(c - a, d - a), np.cross(d - a, d - b), np.cross(d - b, c - b), np.cross(c - b, c - a)]
    normals = [one / np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-300) for one in normals]
    turned = zip(normals, [*normals[1:], normals[0]], strict=True)
    area = sum(np.arcsin(np.clip((one * other).sum(1), -1.0, 1.0)) for one, other in turned)
    sign = np.sign((np.cross(d - c, b - a) * (c - a)).sum(1))
    return float((area * sign).sum() / (2.0 * math.pi))


def coupling() -> list[Result]:
    """V15: what a load in one plane does out of it: nothing to a round rod, much to a turned ribbon or a bow.

    The ribbon: unsymmetrical bending of a beam whose soft axis is 30 degrees from the load. The bow: a quarter circle
    under a load across its plane bends and twists (Timoshenko): R^3 (pi / 4 EI + (3 pi / 4 - 2) / GJ).
    """
    rod, start, held = cantilever()
    load = tip_force(rod, (0.0, _SMALL * EI, 0.0))
    flat = equilibrium(rod, start, load, held, tolerance=1e-10)
    leak = float(jnp.abs(flat.position[:, 2]).max() + jnp.abs(flat.angle).max())
    turn, soft, stiff = math.radians(30.0), 0.5, 2.0
    ribbon = dataclasses.replace(rod, bend=rod.bend * jnp.array([[soft, stiff]]))
    bent = equilibrium(ribbon, dataclasses.replace(start, angle=start.angle + turn), load, held).position[-1]
    across = _SMALL / 3.0 * math.sin(turn) * math.cos(turn) * (1.0 / soft - 1.0 / stiff)
    along = _SMALL / 3.0 * (math.cos(turn) ** 2 / soft + math.sin(turn) ** 2 / stiff)
    radius = 2.0 / math.pi
    arc = radius**3 * (math.pi / 4.0 + (3.0 * math.pi / 4.0 - 2.0)) * _SMALL
    return [
        Result("round rod out of the plane and twisted [m, rad]", leak, 0.0, 1e-9, absolute=True),
        Result("ribbon turned by 30 degrees: across the load [m]", float(bent[2]), across, 1e-2),
        Result("the same along the load [m]", float(bent[1]), along, 1e-2),
        Result("quarter bow under a load across its plane [m]", _bow(radius), arc, 1e-2),
    ]


def _bow(radius: float) -> float:
    """How far the end of a quarter circle of length 1, without load at rest, gives way across its plane [m]."""
    straight_rod, _, held = cantilever()
    angle = (jnp.arange(FREE_EDGES + 2) - 0.5) / (FREE_EDGES + 0.5) / radius
    arc = radius * jnp.stack([jnp.sin(angle), 1.0 - jnp.cos(angle), jnp.zeros_like(angle)], -1)
    rod = make_rod(ROUND, arc)
    rod = dataclasses.replace(rod, stretch=straight_rod.stretch)
    rest = curvature(rod, first_frames(arc, False), jnp.zeros_like(rod.rest_length)) / rod.span[:, None]
    rod = dataclasses.replace(rod, rest_curvature=rest)
    state = equilibrium(rod, at_rest(rod, arc), tip_force(rod, (0.0, 0.0, _SMALL * EI)), held)
    return float(state.position[-1, 2])


def convergence() -> list[Result]:
    """V23: orders: 2 in the edge at rest; 1 in the step, and 2 where velocities begin half a step early (leapfrog)."""
    missing = []
    for joints in (FREE_EDGES // 2, FREE_EDGES):
        rod, start, held = cantilever(joints=joints)
        gravity = 2.0 * EI / ROUND.line_density
        tip = equilibrium(rod, start, weight(rod, jnp.array([0.0, -gravity, 0.0])), held).position[-1]
        missing.append(abs(-float(tip[1]) - _SAG))
    ratio = (FREE_EDGES + 0.5) / (FREE_EDGES // 2 + 0.5)
    late, early = (np.stack([_falling(steps, share) for steps in (400, 800, 1600)]) for share in (0.0, 0.5))
    return [
        Result("order of the sag in the edge", math.log(missing[0] / missing[1]) / math.log(ratio), 2.0, 0.15),
        Result("order in the step", _order(late), 1.0, 0.15),
        Result("order in the step, leapfrog", _order(early), 2.0, 0.15),
    ]


def _falling(steps: int, early: float) -> np.ndarray:
    """Where a cantilever of 11 vertices is [m] after falling for 0.05 s; its velocity begins ``early`` steps before."""
    place = straight(1.0, 11)
    rod = make_rod(ROUND, place)
    held, down, step = clamp(free(rod), 0), jnp.array([0.0, -GRAVITY, 0.0]), 0.05 / steps
    back = -early * step * down[None] * jnp.where(jnp.arange(11) < 2, 0.0, 1.0)[:, None]
    state = dataclasses.replace(at_rest(rod, place), velocity=back)
    zero = jnp.zeros(())
    around = Surroundings(down, zero, zero)
    seen = best().travel(rod, state, around, constant(held, 4), Scheme(jnp.asarray(step)), steps=steps // 4)
    return np.asarray(seen.position[-1])


def _order(places: np.ndarray) -> float:
    """From three results of steps that halve (Richardson)."""
    coarse, fine = (np.linalg.norm(places[k + 1] - places[k]) for k in (0, 1))
    return math.log2(coarse / fine)


COUPLING_CASES = {
    "V14 link, twist and writhe": link,
    "V15 bending out of the plane": coupling,
    "V23 orders of convergence": convergence,
}
"""By name."""
