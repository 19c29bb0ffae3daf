"""Motions: the pendulum, what is conserved."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.envs.rope.config import RodConfig
from diorama.envs.rope.contact import Contact
from diorama.envs.rope.energy import total_energy
from diorama.envs.rope.execution import best, constant
from diorama.envs.rope.handles import clamp, free, hold
from diorama.envs.rope.integrator import Scheme, angular_momentum, momentum
from diorama.envs.rope.rod import Rod, RodState, at_rest, joined, make_rod, straight
from diorama.envs.rope.surroundings import Surroundings
from diorama.envs.rope.validation.beams import GRAVITY, ROUND
from diorama.envs.rope.validation.result import Result

PERIODS = {60.0: 1.073182, 90.0: 1.180341, 150.0: 1.762204}


def pendulum() -> list[Result]:
    """V7: one edge that keeps its length, let go from large angles."""
    step, down = 1e-3, jnp.array([0.0, -GRAVITY, 0.0])
    around = Surroundings(down, jnp.zeros(()), jnp.zeros(()))

    def side(angle: Float[Array, ""]) -> Float[Array, " T"]:
        place = jnp.stack([jnp.zeros(3), jnp.stack([jnp.sin(angle), -jnp.cos(angle), jnp.zeros(())])])
        rod = make_rod(ROUND, place)
        held, scheme = hold(free(rod), 0), Scheme(jnp.asarray(step), inextensible=True)
        swing = best().travel(rod, at_rest(rod, place), around, constant(held, 4000), scheme, steps=1)
        return swing.position[:, -1, 0]

    sides = np.asarray(jax.jit(jax.vmap(side))(jnp.radians(jnp.asarray(list(PERIODS)))))
    unit = 2.0 * math.pi / math.sqrt(GRAVITY)
    return [
        Result(f"period at {angle} degrees over that of small swings", period(row, step) / unit, expected, 1e-4)
        for (angle, expected), row in zip(PERIODS.items(), sides, strict=True)
    ]


def period(row: np.ndarray, step: float) -> float:
    """Twice the time between the first two zeros [s]."""
    index = np.flatnonzero(row[1:] * row[:-1] < 0.0)[:2]
    times = index + row[index] / (row[index] - row[index + 1])
    return 2.0 * step * float(times[1] - times[0])


def energy_drift() -> list[Result]:
    """V19: the canonical cantilever falls without drag: the error of energy is bounded and falls with the step."""
    place = straight(1.0, 31)
    rod = make_rod(ROUND, place)
    held, down = clamp(free(rod), 0), jnp.array([0.0, -GRAVITY, 0.0])
    around = Surroundings(down, jnp.zeros(()), jnp.zeros(()))
    limit = float(rod.rest_length[0]) * math.sqrt(ROUND.density / ROUND.young)

    def spread(step: Array) -> Array:
        def energies(state: RodState) -> Array:
            """At the end of a step, and half a step back, where positions and velocities belong to one time."""
            half = 0.5 * step
            back = state.position - half * state.velocity, state.angle - half * state.spin
            middle = dataclasses.replace(state, position=back[0], angle=back[1])
            return jnp.stack([total_energy(rod, now, down) for now in (state, middle)])

        seen = best().travel(rod, at_rest(rod, place), around, constant(held, 2000), Scheme(step), steps=100)
        return jax.vmap(energies)(seen)

    run = jax.jit(spread)
    coarse, fine = (np.asarray(run(jnp.asarray(share * limit))) for share in (0.4, 0.2))
    scale = float(rod.mass.sum()) * GRAVITY
    half = len(fine) // 2
    drift = abs(float(fine[:half, 1].mean() - fine[half:, 1].mean())) / scale
    # Over the same time: half of the coarse records cover what all of the fine ones do.
    order = math.log2(np.abs(coarse[:half, 0]).max() / np.abs(fine[:, 0]).max())
    return [
        Result("order of the energy error in the step", order, 1.0, 0.15),
        Result("drift of energy over m g L", drift, 0.0, 1e-5, absolute=True),
    ]


def tumbling(friction: float) -> tuple[Rod, RodState, Surroundings]:
    """Two spinning, curved rods of flat section that fly into each other."""
    config = RodConfig(radius=0.01, young=1e6, flatness=2.0, rest_curvature=(2.0, 1.0), rest_twist=0.7)
    place = straight(0.5, 8)
    other = place[:, jnp.array([1, 0, 2])] + jnp.array([[0.2, -0.25, 0.03]])
    both = jnp.concatenate([place, other])
    rod = joined(make_rod(config, place), make_rod(config, other))
    state = at_rest(rod, both)
    toss = 0.3 * jax.random.normal(jax.random.key(1), both.shape, both.dtype)
    toss = toss - jnp.where(jnp.arange(16)[:, None] < 8, 0.0, 1.0) * jnp.array([[0.0, 0.0, 1.0]])
    spin = 20.0 * jax.random.normal(jax.random.key(2), state.spin.shape, both.dtype)
    rubs = Contact(*(jnp.asarray(value) for value in (3e4, 3e-3, friction, friction, 0.5)))
    zero = jnp.zeros(())
    around = Surroundings(jnp.zeros(3), zero, zero, self_contact=rubs)
    return rod, dataclasses.replace(state, velocity=toss, spin=spin * rod.present), around


def conserved_momentum() -> list[Result]:
    """V20: momentum of two rods through stretch, bend, twist, spin, contact without friction, and fixed lengths."""
    linear, angular, passed_on = _changes(0.0)
    return [
        Result("change of linear momentum", linear, 0.0, 1e-12, absolute=True),
        Result("change of angular momentum", angular, 0.0, 1e-12, absolute=True),
        Result("whether the rods met (1 is yes)", float(passed_on > 0.1), 1.0, 0.0),
    ]


def momentum_with_friction() -> list[Result]:
    """V20, where the rods also rub on each other."""
    linear, angular, _ = _changes(0.3)
    return [
        Result("change of linear momentum", linear, 0.0, 1e-12, absolute=True),
        Result("change of angular momentum", angular, 0.0, 1e-12, absolute=True),
    ]


def _changes(friction: float) -> tuple[float, float, float]:
    """Largest relative change of linear and of angular momentum; the change of velocity of the first rod [m/s]."""
    rod, state, around = tumbling(friction)
    scheme = Scheme(jnp.asarray(1e-4), inextensible=True, sweeps=2)
    seen = best().travel(rod, state, around, constant(free(rod), 10), scheme, steps=200)
    record = lambda now: (momentum(rod, now), angular_momentum(rod, now), now.velocity[:8].sum(0))  # noqa: E731
    linear, angular, one = (np.asarray(values) for values in jax.vmap(record)(seen))
    before = np.asarray(momentum(rod, state)), np.asarray(angular_momentum(rod, state))
    away = [np.abs(now - then).max() / np.abs(then).max() for now, then in zip((linear, angular), before, strict=True)]
    return float(away[0]), float(away[1]), float(np.abs(one[-1] - one[0]).max())


MOTION_CASES = {
    "V7 pendulum": pendulum,
    "V19 energy": energy_drift,
    "V20 momentum": conserved_momentum,
    "V20b momentum with friction": momentum_with_friction,
}
"""By name."""
