"""The arrays that the kernel works on, and which column holds what: few arrays, so that they are cheap to hand on.

V vertices, E edges, J joints, S shapes. A leading axis of ropes or of times is taken off before the kernel sees them.
"""

from typing import Any, NamedTuple

import numpy as np


class Body(NamedTuple):
    """The state of a rope, as `RodState`: or, in the adjoint, derivatives with respect to it.

    ``vertex`` [V, 6]: position, velocity. ``edge`` [E, 8]: angle, spin, tangent, director. ``joint`` [J, 3]: twist of
    the reference frames, rest curvature; and where each of K frictional elements sticks, [J, 3 + 2 K].
    """

    vertex: Any
    edge: Any
    joint: Any


POSITION, VELOCITY = 0, 3
ANGLE, SPIN, TANGENT, DIRECTOR = 0, 1, 2, 5
TWIST, REST, STUCK = 0, 1, 3


class Make(NamedTuple):
    """What a rope is made of and lies in: or derivatives with respect to it.

    ``vertex`` [V, 4]: mass, dead load. ``edge`` [E, 4]: rest length, spin inertia, stretch, whether it is there.
    ``joint`` [J, 4]: two bending stiffnesses, that of twist, rest twist. ``shape`` [S, 8]. ``number``
    [19 + 2 K]: the last are stiffness and slip curvature of each frictional element.
    """

    vertex: Any
    edge: Any
    joint: Any
    shape: Any
    number: Any


MASS, LOAD = 0, 1
REST_LENGTH, INERTIA, STRETCH, PRESENT = range(4)
STEP, GRAVITY, DRAG, SPIN_DRAG, RADIUS, YIELD, SHARE = 0, 1, 4, 5, 6, 7, 8
GROUND, ITSELF = 9, 14
"""Where the numbers of a contact start."""
STIFFNESS, SMOOTHING, STATIC, KINETIC, DAMPING = range(5)
ELEMENTS = 19
"""Where the numbers of frictional elements start."""


class Grip(NamedTuple):
    """What holds a rope in one period, as `Handles`: or derivatives with respect to it.

    ``vertex`` [V, 4]: whether it is held, its velocity. ``edge`` [E, 2]: whether its section is held, its spin. Where
    there are springs, rows go on: with the target's place, stiffness, damping and limit [V, 10], or with its angle and
    the same [E, 6].
    """

    vertex: Any
    edge: Any


HELD, GUIDE = 0, 1
GRASPED, WHIRL = 0, 1


class Plan(NamedTuple):
    """Whole numbers that choose what is done in a sub-step: nothing that could be differentiated."""

    closed: int
    plastic: int
    fixed_lengths: int
    sweeps: int
    points: int
    shapes: int
    itself: int
    loaded: int
    sprung: int
    elements: int


class Work(NamedTuple):
    """Room for what a sub-step finds on its way, and, with a bar, for the derivatives with respect to it.

    ``speed`` [3 C + 1, V, 3] and ``spin`` [C + 1, E] are velocities before and after each part of each of C sweeps,
    ``told`` [C + 1, V, 3] the impulses of friction so far, ``chain`` [C + 5, E] the equations of fixed lengths and
    then the pulls that solve them.
    """

    vertex: Any
    edge: Any
    joint: Any
    speed: Any
    spin: Any
    told: Any
    chain: Any


FORCE, PUSH, LIGHT, FORCE_BAR, PUSH_BAR, SPEED_BAR, TOLD_BAR, LIGHT_BAR = 0, 3, 6, 7, 10, 13, 16, 19
SIZE, FIRST, SECOND, PULL, SPUN, NOW, NEXT, WORKS = 0, 1, 4, 7, 10, 11, 14, 17
TANGENT_BAR, FIRST_BAR, SECOND_BAR, PULL_BAR, ROLL_BAR, SIZE_BAR, SPUN_BAR, SPIN_BAR = 18, 21, 24, 27, 30, 31, 32, 33
TURN, BENT, MOMENT, TORQUE = 0, 3, 5, 7
LOWER, OWN, UPPER, COLUMN, RATIO, RIGHT, PULLS = 0, 1, 2, 3, 4, 5, 6


def room(vertices: int, edges: int, joints: int, sweeps: int) -> Work:
    """Empty `Work`."""
    return Work(
        np.zeros((vertices, 20)),
        np.zeros((edges, 34)),
        np.zeros((joints, 8)),
        np.zeros((3 * sweeps + 1, vertices, 3)),
        np.zeros((sweeps + 1, edges)),
        np.zeros((sweeps + 1, vertices, 3)),
        np.zeros((sweeps + PULLS, edges)),
    )
