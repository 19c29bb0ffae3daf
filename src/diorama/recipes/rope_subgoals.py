"""What the rope agent has to know of a task: a `Skill` reads the rope and says what could be done next (`SubGoal`).

`diorama.recipes.rope_unknotting` reads knots from crossings, `diorama.recipes.rope_threading` whether a cable goes
through a ring. Where to grasp and which of the ways to go is the agent's own (`diorama.recipes.rope_agent`).
"""

import abc
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float

from diorama.core import AbstractVar, Module
from diorama.envs.rope.tasks.task import Scene

FLAT, UP = np.array([1.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class SubGoal(abc.ABC):
    """What some vertices of a rope are to do.

    Attributes:
        vertices: numbers of those whose motion counts, [M]; one may be there several times.
        needed: directions in which they are to move, of length one, [M, 3].
        amount: how far each is to move, beside the others, of any unit and sign, [M].
        end: the end of the rope that it is about, vertex 0 or the last.
        reached: whether a gripper that holds a vertex could get this done without leaving its box, bool [V].
    """

    vertices: np.ndarray
    needed: np.ndarray
    amount: np.ndarray
    end: int
    reached: np.ndarray

    @abc.abstractmethod
    def ways(self, rope: np.ndarray, grasp: int) -> list[np.ndarray]:
        """Several ways [P, 3] (m) for a gripper that holds the vertex ``grasp`` of the ``rope`` [V, 3]."""

    @abc.abstractmethod
    def said(self, place: int) -> str:
        """What is wanted, in words, where the ``end`` is near a place of this number."""


class Skill(Module):
    """What is known of one task. ``length``: decisions of a segment; the first grasps, the others move."""

    length: AbstractVar[int]

    @abc.abstractmethod
    def sub_goals(self, scene: Scene) -> list[SubGoal]:
        """What could be done next; nothing where the rope has come to what no sub-goal is known for."""

    @abc.abstractmethod
    def undone(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """What wrong topology counts beside the task's cost [m] when ways are compared."""


def unit(vector: np.ndarray) -> np.ndarray:
    """The direction of a vector; zero has none and stays."""
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def turned(vector: np.ndarray, angle: float) -> np.ndarray:
    """A vector turned about the vertical axis [rad]."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([cosine * vector[0] - sine * vector[1], sine * vector[0] + cosine * vector[1], vector[2]])


def spacing(rope: np.ndarray) -> float:
    """The mean length of an edge [m]."""
    return float(np.linalg.norm(np.diff(rope, axis=0), axis=-1).mean())
