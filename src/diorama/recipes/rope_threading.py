"""What is to be done next with a cable before a ring, from how often it goes through (`Threading.through`).

That number is the linking number of the ring with the cable, were its ends joined far away. While it is not 1 the tip
has to come before the mouth; where it is 1 and the tip is not far enough beyond, what is in the ring has to follow. A
gripper stays before the ring, so what it holds must be so far behind the tip as the tip is to go beyond.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float

from diorama.core import field
from diorama.envs.rope.tasks.task import Scene
from diorama.envs.rope.tasks.threading import AHEAD, WANTED, Threading
from diorama.recipes.rope_subgoals import FLAT, UP, Skill, SubGoal, spacing, unit

_MISSED = 0.5
_AXIS, _ASIDE = np.array(AHEAD), np.array([0.0, 1.0, 0.0])
_BACK, _LOWEST = 0.04, 0.01
_HEIGHTS, _PUSHES = (-0.07, -0.04, -0.015, 0.01, 0.04, 0.08), (0.01, 0.05)
_FEEDS = (-0.04, 0.0, 0.04)


@dataclass(frozen=True)
class Enter(SubGoal):
    """The tip comes before the mouth of the ring at ``ring`` [m] and goes in; no gripper goes beyond ``last`` [m]."""

    ring: np.ndarray
    last: float

    def ways(self, rope: np.ndarray, grasp: int) -> list[np.ndarray]:
        """Back and up, before the mouth at six heights, then ahead by two distances.

        The cable hangs or rears up before the gripper by what its weight and stiffness make of it, hence the heights;
        it points away from where its other end lies, so the gripper comes along that line.
        """
        tail = abs(self.end - grasp) * spacing(rope)
        along = unit((self.ring - rope[len(rope) - 1 - self.end]) * FLAT)
        ways = []
        for height in _HEIGHTS:
            mouth = self.ring + height * UP
            before = _over(mouth - (tail + _BACK) * along)
            for push in _PUSHES:
                through = _over(mouth + (WANTED + push - tail) * along)
                through[0] = min(through[0], self.last)
                ways.append(np.stack([rope[grasp], before, before, 0.5 * (before + through), through, through]))
        return ways

    def said(self, place: int) -> str:
        """See `SubGoal`."""
        return f"bring the tip near place {place} before the ring and put it in"


@dataclass(frozen=True)
class Follow(SubGoal):
    """The tip is through and goes further, with what lies in the ring at ``ring`` [m]; as `Enter` otherwise."""

    ring: np.ndarray
    last: float

    def ways(self, rope: np.ndarray, grasp: int) -> list[np.ndarray]:
        """Lifted to three heights about that of the ring, then ahead by what lacks and two distances more."""
        lacks = WANTED - float((rope[self.end] - self.ring) @ _AXIS)
        ways = []
        for height in _FEEDS:
            up = _over(rope[grasp] * FLAT + (self.ring[2] + height) * UP)
            for more in (0.0, 0.04, 0.1):
                ahead = up + (lacks + more) * _AXIS
                ahead[0] = min(ahead[0], self.last)
                ways.append(np.stack([rope[grasp], up, ahead, ahead]))
        return ways

    def said(self, place: int) -> str:
        """See `SubGoal`."""
        return f"push the tip near place {place} further through the ring"


class Thread(Skill):
    """Puts the tip of a cable through a ring. Not to go through it once counts as 0.5 m."""

    task: Threading
    length: int = field(static=True, default=8)

    def sub_goals(self, scene: Scene) -> list[SubGoal]:
        """One: the tip enters, or it follows the way on which it is."""
        rope, ring = (np.asarray(each, np.float64) for each in (scene.body.position, scene.goal))
        last, tip = float(scene.high[0]), len(rope) - 1
        # Held so far behind the tip that the gripper need not pass the limit of its box.
        behind = np.abs(tip - np.arange(len(rope))) * spacing(rope)
        reached = behind >= ring[0] + WANTED - last
        if float(self.task.through(scene.body.position, scene.goal)) == 1.0:
            return [Follow(np.array([tip]), _AXIS[None], np.ones(1), tip, reached, ring, last)]
        across = np.stack([_ASIDE, UP])
        return [Enter(np.array([tip, tip]), across, across @ (ring - rope[tip]), tip, reached, ring, last)]

    def undone(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """See `Skill`."""
        return _MISSED * abs(self.task.through(vertices, goal) - 1.0)


def _over(place: np.ndarray) -> np.ndarray:
    """A place, but not in the floor."""
    return np.maximum(place, np.array([-np.inf, -np.inf, _LOWEST]))
