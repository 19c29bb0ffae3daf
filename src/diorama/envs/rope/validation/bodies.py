"""Free rigid bodies: what they and a rod keep together, the bob of a pendulum, rest and rolling on a slope."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from diorama.envs.rope.bodies import Ties, ball, bolt, brick, still
from diorama.envs.rope.config import RodConfig
from diorama.envs.rope.contact import Contact
from diorama.envs.rope.handles import free, hold
from diorama.envs.rope.integrator import Scheme
from diorama.envs.rope.rod import at_rest, make_rod, straight
from diorama.envs.rope.shapes import Plane
from diorama.envs.rope.surroundings import Surroundings, empty_space
from diorama.envs.rope.together import Bodies, Together, momenta, simulate_together
from diorama.envs.rope.validation.motion import PERIODS, period
from diorama.envs.rope.validation.result import Result

_SLOPE, _FRICTION = 0.3, 0.5
_BALL, _BRICK, _STIFFNESS, _SMOOTHING = 0.1, 0.05, 1e5, 1e-4
_SECONDS = 0.4


def _contact(friction: float, stiffness: float, smoothing: float, damping: float) -> Contact:
    return Contact(*(jnp.asarray(value) for value in (stiffness, smoothing, friction, friction, damping)))


def thrown_at_bodies() -> list[Result]:
    """V29: momentum of a spinning rod that is thrown at a turning brick and a capsule, through contact and friction."""
    place = straight(0.5, 8)
    rod = make_rod(RodConfig(radius=0.01, young=1e6, flatness=2.0, rest_curvature=(2.0, 1.0)), place)
    toss = jnp.array([[0.0, 0.0, -1.0]]) + 0.2 * jax.random.normal(jax.random.key(1), place.shape, float)
    rope = dataclasses.replace(at_rest(rod, place), velocity=toss, spin=10.0 * jnp.cos(jnp.arange(7.0)))
    kinds = (brick((0.05, 0.04, 0.03), 0.1, 0.01), bolt(0.06, 0.02, 0.05))
    turned = dataclasses.replace(still(kinds[0], (0.15, 0.01, -0.06)), angular=jnp.array([1e-4, 2e-4, 3e-4]))
    start = Together(rope, (turned, still(kinds[1], (0.4, 0.0, -0.07))))
    bodies = Bodies(kinds, contact=_contact(0.3, 3e4, 3e-3, 0.5))
    scheme = Scheme(jnp.asarray(1e-4))

    def record(state: Together) -> tuple:
        return momenta(rod, state), tuple(body.momentum for body in state.bodies)

    run = jax.jit(
        lambda: simulate_together(
            rod, bodies, start, empty_space(), free(rod), scheme, steps=100, records=15, record=record
        )[1]
    )
    (linear, angular), pushed = run()
    first = momenta(rod, start)
    away = [
        float(jnp.abs(now - then[None]).max() / jnp.abs(then).max())
        for now, then in zip((linear, angular), first, strict=True)
    ]
    met = min(float(jnp.linalg.norm(now[-1])) for now in pushed)
    return [
        Result("change of linear momentum", away[0], 0.0, 1e-10, absolute=True),
        Result("change of angular momentum", away[1], 0.0, 1e-10, absolute=True),
        Result("whether the rod met both bodies (1 is yes)", float(met > 1e-3), 1.0, 0.0),
    ]


def bob() -> list[Result]:
    """V30: a ball tied by its centre to a rod of one edge that keeps its length, let go from 60 degrees."""
    step, angle = 2e-4, 60.0
    turn = math.radians(angle)
    place = jnp.array([[0.0, 0.0, 0.0], [math.sin(turn), 0.0, -math.cos(turn)]])
    rod = make_rod(RodConfig(radius=0.005), place)
    knot = Ties(jnp.array([1]), jnp.zeros((1, 3)), jnp.asarray(1e5), jnp.asarray(20.0))
    kind = dataclasses.replace(ball(0.05, 1.0), ties=knot)
    bodies, held = Bodies((kind,)), hold(free(rod), 0)
    around = Surroundings(jnp.array([0.0, 0.0, -9.81]), jnp.zeros(()), jnp.zeros(()))
    start = Together(at_rest(rod, place), (still(kind, tuple(float(x) for x in place[1])),))
    run = jax.jit(
        lambda: simulate_together(
            rod,
            bodies,
            start,
            around,
            held,
            Scheme(jnp.asarray(step), inextensible=True),
            steps=1,
            records=10000,
            record=lambda state: state.bodies[0].place[0],
        )[1]
    )
    found = period(np.asarray(run()), step) * math.sqrt(9.81) / 2.0 / math.pi
    return [Result(f"period at {angle} degrees over that of small swings", found, PERIODS[angle], 1e-3)]


def on_a_slope() -> list[Result]:
    """V31: on a slope of 0.3 with a friction of 0.5 a brick rests, and a ball rolls with 5/7 of the pull along it."""
    place = straight(0.1, 2) + jnp.array([[0.0, 5.0, 1.0]])
    rod = make_rod(RodConfig(), place)
    steep = math.atan(_SLOPE)
    pull, press = 9.81 * math.sin(steep), 9.81 * math.cos(steep)
    around = Surroundings(
        jnp.array([pull, 0.0, -press]),
        jnp.zeros(()),
        jnp.zeros(()),
        shapes=(Plane(jnp.array([0.0, 0.0, 1.0]), jnp.zeros(())),),
    )
    kinds = (ball(_BALL, 1.0), brick((_BRICK, _BRICK, _BRICK), 1.0, 0.005))
    deep = press / _STIFFNESS
    gap = _SMOOTHING - 2.0 * math.sqrt(_SMOOTHING * deep)
    start = Together(
        at_rest(rod, place), (still(kinds[0], (0.0, 0.0, _BALL + gap)), still(kinds[1], (0.0, 1.0, _BRICK)))
    )
    bodies = Bodies(kinds, ground=_contact(_FRICTION, _STIFFNESS, _SMOOTHING, 20.0))
    half = round(_SECONDS / 2e-4 / 2)
    run = jax.jit(
        lambda: simulate_together(
            rod,
            bodies,
            start,
            around,
            hold(free(rod), 0, 1),
            Scheme(jnp.asarray(2e-4)),
            steps=half,
            records=2,
            record=lambda state: tuple((body.place, body.momentum, body.angular) for body in state.bodies),
        )[1]
    )
    rolling, resting = run()
    speed = float(rolling[1][-1, 0])  # of 1 kg
    spin = float(rolling[2][-1, 1]) / float(kinds[0].inertia[1])
    return [
        Result("acceleration of the ball [m/s^2]", speed / _SECONDS, 5.0 / 7.0 * pull, 1e-6),
        Result("spin of the ball times its radius over its speed", spin * _BALL / speed, 1.0, 1e-6),
        Result("height of the ball's centre [m]", float(rolling[0][-1, 2]), _BALL + gap, 1e-6),
        Result(
            "slip of the brick, second half [m]", float(resting[0][1, 0] - resting[0][0, 0]), 0.0, 1e-4, absolute=True
        ),
        Result("speed of the brick at the end [m/s]", float(jnp.abs(resting[1][-1]).max()), 0.0, 1e-3, absolute=True),
    ]


BODY_CASES = {"V29 bodies": thrown_at_bodies, "V30 bob": bob, "V31 slope of bodies": on_a_slope}
"""By name."""
