"""Push-T demonstrations: plan a push, carry it out, look again, until the block covers the goal."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from diorama.envs.pusht.coverage import coverage_of_one
from diorama.envs.pusht.scripted_plan import Pace, plan_push
from diorama.envs.pusht.scripted_pushes import gravity_pose
from diorama.envs.pusht.scripted_stroke import Sight, Stroke
from diorama.envs.pusht.scripted_tracking import Controls

CONTENT = 0.96
"""Coverage at which a demonstrator stops pushing; success is 0.95."""


@dataclass(frozen=True, eq=False)
class Demonstrator:
    """A demonstrator in the midst of one episode. Immutable: ``act`` returns the demonstrator one step later.

    It acts through the control interface only. ``seed`` decides its tastes: how hard it pushes, and which of several
    good pushes it likes best.
    """

    controls: Controls
    seed: int
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    stroke: Stroke | None = None
    strokes: int = 0

    def act(self, state: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, "Demonstrator"]:
        """The action [2] for a state [5 or more] (agent x, y, block x, y in px, angle in rad) and a goal pose [3]."""
        state, goal = np.asarray(state, np.float64), np.asarray(goal, np.float64)
        sight = Sight(self.controls, state[:2], self.velocity, gravity_pose(state[2:5]))
        stroke, strokes = self.stroke, self.strokes
        if stroke is None or stroke.over(sight):
            stroke, strokes = None, strokes + 1
            if coverage_of_one(tuple(state[2:5].tolist()), tuple(goal.tolist())) > CONTENT:
                action = sight.towards(sight.agent)
                return action, self._later(sight, action, None, strokes)
            stroke = self._plan(sight, gravity_pose(goal))
        if stroke is None:
            # Every start of a push is walled off: make for open space and look again.
            action = sight.towards(goal[:2])
        else:
            action, stroke = stroke.act(sight)
        return action, self._later(sight, action, stroke, strokes)

    def _later(self, sight: Sight, action: np.ndarray, stroke: Stroke | None, strokes: int) -> "Demonstrator":
        return dataclasses.replace(self, velocity=sight.velocity_after(action), stroke=stroke, strokes=strokes)

    def _plan(self, sight: Sight, goal: np.ndarray) -> Stroke | None:
        rng = np.random.default_rng([self.seed, self.strokes])
        pace = Pace(24.0, 22.0) if self.controls.relative else Pace(48.0, 40.0)
        push = plan_push(sight.pose, sight.agent, goal, pace, rng)
        return None if push is None else Stroke(push.place, push.direction, push.length, 60.0 * rng.uniform(0.75, 1.0))
