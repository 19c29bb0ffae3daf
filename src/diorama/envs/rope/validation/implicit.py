"""Implicit steps: a cantilever at rest, what the steps damp, how near they come, a stiff cable, rods that meet.

All cases but the last have as many vertices, so that they share one compiled program.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diorama.envs.rope.energy import total_energy
from diorama.envs.rope.execution import Implicit, best, constant
from diorama.envs.rope.handles import Handles, clamp, free, move
from diorama.envs.rope.implicit import implicit_step
from diorama.envs.rope.integrator import Scheme, momentum
from diorama.envs.rope.linear import Dense
from diorama.envs.rope.newton import Newton
from diorama.envs.rope.rod import Rod, RodState, at_rest, make_rod
from diorama.envs.rope.statics import no_load, stiffness_matrix
from diorama.envs.rope.surroundings import Surroundings
from diorama.envs.rope.validation.beams import EI, GRAVITY, ROUND, cantilever, on_line
from diorama.envs.rope.validation.motion import tumbling
from diorama.envs.rope.validation.result import Result

_LOAD, _SAG = 3.924, 0.419200
"""Weight of the heavy elastica in units of EI/L^3, and its sag over its length."""
_TEN = 1e-2
_STIFF = 1e10
"""Young's modulus [Pa] of a rod of 2 cm that is hard to bend: its bending stiffness is 79 N m^2."""


@jax.jit
def _carried(
    rod: Rod, state: RodState, around: Surroundings, held: Handles, step: Array, steps: Array
) -> tuple[RodState, Array, Array]:
    """The state after implicit steps, whether (1) all were solved, and the steps of Newton's method that it took."""

    def one(_: Array, now: tuple) -> tuple:
        state, solved, tries = now
        state, found = implicit_step(rod, state, around, held, Scheme(step), Newton())
        return state, solved & found.arrived, tries + found.iterations

    begun = (state, jnp.ones((), bool), jnp.zeros((), jnp.int32))
    return jax.lax.fori_loop(0, steps, one, begun)


def _weighed(acceleration: float, drag: float = 0.0) -> Surroundings:
    rate = jnp.asarray(drag)
    return Surroundings(jnp.array([0.0, -acceleration, 0.0]), rate, rate)


def _implicit(rod: Rod, state: RodState, around: Surroundings, held: Handles, step: float, steps: int) -> tuple:
    return _carried(rod, state, around, held, jnp.asarray(step), jnp.asarray(steps))


def at_rest_in_long_steps() -> list[Result]:
    """V25: the heavy cantilever falls to rest in steps of 20 ms; the steps do not change where it rests."""
    rod, state, held = cantilever()
    around = _weighed(_LOAD * EI / ROUND.line_density, drag=6.0)
    last, solved, _ = _implicit(rod, state, around, held, 2e-2, 400)
    return [
        Result("whether all steps of 20 ms were solved (1 is yes)", float(solved), 1.0, 0.0),
        Result(f"sag at wL^3/EI = {_LOAD}", -float(last.position[-1, 1]), _SAG, 1e-3),
    ]


def damping() -> list[Result]:
    """V26: a tone of angular frequency w keeps ``1 / (1 + w^2 h^2)`` of its energy in each step."""
    rod, start, held = cantilever(1.0)
    matrix, inertia = stiffness_matrix(rod, start, no_load(rod), held)
    squares, tones = np.linalg.eigh(matrix / np.sqrt(inertia[:, None] * inertia[None]))
    rows, steps = [], 50
    for pick in (0, 2):  # each tone is there twice, in two planes
        across = np.zeros(4 * len(rod.mass) - 1)
        across[_free_numbers(held)] = 1e-4 * tones[:, pick] / np.sqrt(inertia)
        split = 3 * len(rod.mass)
        velocity, spin = jnp.asarray(across[:split].reshape(-1, 3)), jnp.asarray(across[split:])
        moved = dataclasses.replace(start, velocity=velocity, spin=spin)
        last, _, _ = _implicit(rod, moved, _weighed(0.0), held, _TEN, steps)
        kept = total_energy(rod, last, jnp.zeros(3)) / total_energy(rod, moved, jnp.zeros(3))
        frequency = math.sqrt(squares[pick]) / 2.0 / math.pi
        name = f"energy kept in 50 steps of 10 ms, tone of {frequency:.2f} Hz"
        rows.append(Result(name, float(kept), (1.0 + squares[pick] * _TEN**2) ** -steps, 1e-4))
    return rows


def _free_numbers(held: Handles) -> np.ndarray:
    return np.flatnonzero(np.concatenate([np.repeat(np.asarray(held.vertices), 3), np.asarray(held.edges)]) == 0.0)


def order() -> list[Result]:
    """V27: the steps come near short sub-steps of the symplectic scheme as they get short."""
    rod, state, held = cantilever(1.0)
    around, seconds = _weighed(GRAVITY), 0.32
    near = _short(rod, state, around, held, seconds, 1e-5)
    away = {}
    for steps in (160, 320, 640):
        last = _implicit(rod, state, around, held, seconds / steps, steps)[0]
        away[steps] = float(jnp.abs(last.position - near).max())
    return [
        Result("order in the step, 2 to 1 ms", math.log2(away[160] / away[320]), 1.0, 0.15),
        Result("order in the step, 1 to 0.5 ms", math.log2(away[320] / away[640]), 1.0, 0.15),
        Result("distance from the symplectic rod, steps of 1 ms [m]", away[320], 0.0, 1e-2, absolute=True),
    ]


def _short(rod: Rod, state: RodState, around: Surroundings, held: Handles, seconds: float, step: float) -> Array:
    """Where the symplectic scheme has it [m]."""
    count = round(seconds / step)
    seen = best().travel(rod, state, around, constant(held), Scheme(jnp.asarray(step)), steps=count)
    return seen.position[0]


def stiff_cable() -> list[Result]:
    """V28: a stiff cable is swung by one end for 0.3 s in 30 steps; symplectic sub-steps must be below 8 us."""
    place = on_line(1.0)
    rod = make_rod(dataclasses.replace(ROUND, young=_STIFF), place)
    swing = jnp.array([[0.0, 0.5, 0.0], [0.0, 0.5, 0.0]])
    held, state, around = move(clamp(free(rod), 0), jnp.arange(2), swing), at_rest(rod, place), _weighed(GRAVITY)
    last, solved, tries = _implicit(rod, state, around, held, _TEN, 30)
    near = _short(rod, state, around, held, 0.3, 2e-6)
    burst = _short(rod, state, around, held, 0.3, _TEN)
    limit = float(rod.rest_length[0]) * math.sqrt(ROUND.density / _STIFF)
    return [
        Result("whether all steps of 10 ms were solved (1 is yes)", float(solved), 1.0, 0.0),
        Result("steps of Newton's in each, at most 10", float(tries) / 30.0, 5.0, 5.0, absolute=True),
        Result("whether symplectic steps of 10 ms end in numbers", float(jnp.isfinite(burst).all()), 0.0, 0.0, True),
        Result("symplectic sub-steps that 10 ms would take, at least", _TEN / limit, 1296.5, 1e-3),
        Result(
            "distance from the rod in sub-steps of 2 us [m]",
            float(jnp.abs(last.position - near).max()),
            0.0,
            2e-2,
            True,
        ),
    ]


def rods_that_meet() -> list[Result]:
    """V36: two rods thrown at each other, in implicit steps of 0.25 ms and in sub-steps of 10 us."""
    rod, state, around = tumbling(0.0)
    held, seconds, steps = constant(free(rod)), 0.05, 200
    scheme = Scheme(jnp.asarray(seconds / steps))
    seen = Implicit(Newton(Dense())).travel(rod, state, around, held, scheme, steps=steps)
    last = jax.tree.map(lambda leaf: leaf[-1], seen)
    fine = best().travel(rod, state, around, held, Scheme(jnp.asarray(1e-5)), steps=round(seconds / 1e-5))
    before, after = momentum(rod, state), momentum(rod, last)
    passed_on = [float(now[:8, 2].sum() - state.velocity[:8, 2].sum()) for now in (last.velocity, fine.velocity[-1])]
    return [
        Result(
            "change of linear momentum", float(jnp.abs(after - before).max() / jnp.abs(before).max()), 0.0, 1e-10, True
        ),
        Result("velocity passed on to one of them [m/s]", passed_on[0], passed_on[1], 5e-2),
    ]


IMPLICIT_CASES = {
    "V25 implicit rest": at_rest_in_long_steps,
    "V26 implicit damping": damping,
    "V27 implicit order": order,
    "V28 stiff cable": stiff_cable,
    "V36 implicit rods that meet": rods_that_meet,
}
"""By name."""
