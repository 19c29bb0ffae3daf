"""One push from its plan to its end: walk around the block to the start, then go straight on."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from diorama.envs.pusht.scripted_roadmap import ways
from diorama.envs.pusht.scripted_tracking import Controls, action_of, action_towards, next_velocity

_AT_START, _AT_END = 3.0, 0.6
_SLOW, _RESTING = 40.0, 15.0
_PATIENCE = 8.0


@dataclass(frozen=True, eq=False)
class Sight:
    """What a script knows at one control step: the agent's place and velocity [2] (px, px/s), the block's pose.

    ``pose`` [3] is that of the block's centre of gravity. ``velocity`` is dead reckoning, exact since contacts never
    change the agent's path.
    """

    controls: Controls
    agent: np.ndarray
    velocity: np.ndarray
    pose: np.ndarray

    @property
    def speed(self) -> float:
        """The agent's speed in px/s."""
        return float(np.linalg.norm(self.velocity))

    def towards(self, goal: np.ndarray, limit: float = np.inf) -> np.ndarray:
        """The action [2] that brings the agent to ``goal`` [2] (px); see `action_towards`."""
        return action_towards(self.controls, self.agent, self.velocity, goal, limit)

    def move(self, displacement: np.ndarray) -> np.ndarray:
        """The action [2] that displaces the target by ``displacement`` [2] (px) from the agent; see `action_of`."""
        return action_of(self.controls, self.agent, displacement)

    def velocity_after(self, action: np.ndarray) -> np.ndarray:
        """The agent's velocity [2] (px/s) after ``action`` [2]."""
        return next_velocity(self.controls, self.agent, self.velocity, action)


@dataclass(frozen=True, eq=False)
class Stroke:
    """A push under way: from roadmap place ``place`` along ``direction`` [2] for ``length`` px.

    ``limit`` (px per step) caps the displacement that it asks for. ``end`` [2] is where it leads, known once the walk
    is over; ``steps`` counts the control steps of its present part.
    """

    place: int
    direction: np.ndarray
    length: float
    limit: float
    end: np.ndarray | None = None
    steps: int = 0

    def act(self, sight: Sight) -> tuple[np.ndarray, "Stroke"]:
        """The action [2] and the stroke one step later."""
        if self.end is not None:
            return sight.towards(self.end, self.limit), dataclasses.replace(self, steps=self.steps + 1)
        here = ways(sight.pose, sight.agent)
        start = here.place[self.place]
        if np.linalg.norm(sight.agent - start) >= _AT_START or sight.speed >= _SLOW:
            return sight.towards(here.waypoint(self.place)), dataclasses.replace(self, steps=self.steps + 1)
        return dataclasses.replace(self, end=start + self.length * self.direction, steps=0).act(sight)

    def over(self, sight: Sight) -> bool:
        """Whether the push has come to its end, or takes so long that it must be stuck."""
        if self.steps * sight.controls.period > _PATIENCE:
            return True
        if self.end is None:
            return False
        return bool(np.linalg.norm(sight.agent - self.end) < _AT_END) and sight.speed < _RESTING
