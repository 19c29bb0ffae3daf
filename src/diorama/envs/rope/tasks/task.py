"""What a rope task says: how it begins, how far from done a rope is, and when it is done."""

import abc

from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import AbstractVar, Module
from diorama.core.env import Scenario
from diorama.envs.rope.rod import Rod, RodState
from diorama.envs.rope.surroundings import Surroundings
from diorama.envs.rope.tasks.config import TaskConfig


class Scene(Module):
    """The beginning of an episode.

    The rope (with what it is to move, as further rods in the same arrays), what it lies in, the numbers of the
    ``goal`` that a policy sees, and the box between ``low`` and ``high`` [m] that no gripper leaves.
    """

    rod: Rod
    body: RodState
    around: Surroundings
    goal: Float[Array, " G"]
    low: Float[Array, " 3"]
    high: Float[Array, " 3"]


class Task(Module):
    """A task. All of its judgements are pure functions of the vertices [m] and of the goal's numbers."""

    config: AbstractVar[TaskConfig]
    name: AbstractVar[str]
    goal_names: AbstractVar[tuple[str, ...]]
    total_vertices: AbstractVar[int]
    """Of the rope and of all objects."""

    @abc.abstractmethod
    def begin(self, scenario: Scenario, key: PRNGKeyArray) -> Scene:
        """A random start with a random goal."""

    @abc.abstractmethod
    def cost(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """How far from done [m, or m for an angle by the weight named there]; smaller is better."""

    @abc.abstractmethod
    def solved(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Bool[Array, ""]:
        """Whether the rope is as it is wanted."""

    @abc.abstractmethod
    def marks(self, goal: Float[Array, " G"]) -> Float[Array, "M 3"]:
        """Circles on the floor that show what is wanted: x, y and radius [m]."""

    @abc.abstractmethod
    def way(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, "P K 3"]:
        """One solution by hand, from the first ``vertices``: places [m] to which each of K grippers goes in turn.

        The P places are at equal distances in time over the episode, the first where the grippers are.
        """
