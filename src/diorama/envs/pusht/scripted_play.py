"""Push-T play: loosely aimed pushes all around the block, in a share of its time near the goal, and random moves."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from diorama.envs.pusht.scripted_plan import pick_push
from diorama.envs.pusht.scripted_pushes import gravity_pose, rotate
from diorama.envs.pusht.scripted_stroke import Sight, Stroke
from diorama.envs.pusht.scripted_tracking import Controls

_AIMS_EVERY = 6
_NEAR_GOAL = 0.4
_WANDERS = 0.4


@dataclass(frozen=True, eq=False)
class Wander:
    """Random moves for ``left`` more steps, drawn towards ``aim`` [2]: px from the centre of gravity, block's frame."""

    aim: np.ndarray
    haste: float
    left: int

    def act(self, sight: Sight, rng: np.random.Generator) -> tuple[np.ndarray, "Wander"]:
        """The action [2] and the wander one step later."""
        aim = sight.pose[:2] + rotate(self.aim, sight.pose[2])
        displacement = self.haste * (aim - sight.agent) + rng.normal(0.0, 0.5 * sight.controls.reach, 2)
        return sight.move(displacement), dataclasses.replace(self, left=self.left - 1)


@dataclass(frozen=True, eq=False)
class Player:
    """A player in the midst of one episode. Immutable: ``act`` returns the player one step later.

    It alternates between pushes that start anywhere around the block, chosen loosely so that the block tours the table
    and often comes near the goal, and wandering that hits the block at any speed and place.
    """

    controls: Controls
    seed: int
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    stroke: Stroke | None = None
    wander: Wander | None = None
    strokes: int = 0
    steps: int = 0

    def act(self, state: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, "Player"]:
        """The action [2] for a state [5 or more] (agent x, y, block x, y in px, angle in rad) and a goal pose [3]."""
        state, goal = np.asarray(state, np.float64), np.asarray(goal, np.float64)
        sight = Sight(self.controls, state[:2], self.velocity, gravity_pose(state[2:5]))
        rng = np.random.default_rng([self.seed, 1, self.steps])
        player = self
        if player._idle(sight):
            player = player._choose(sight, gravity_pose(goal), rng)
        stroke, wander = player.stroke, player.wander
        if stroke is not None:
            action, stroke = stroke.act(sight)
        else:
            action, wander = wander.act(sight, rng)
        velocity = sight.velocity_after(action)
        return action, dataclasses.replace(
            player, velocity=velocity, stroke=stroke, wander=wander, steps=self.steps + 1
        )

    def _idle(self, sight: Sight) -> bool:
        if self.stroke is not None:
            return self.stroke.over(sight)
        return self.wander is None or self.wander.left <= 0

    def _choose(self, sight: Sight, goal: np.ndarray, rng: np.random.Generator) -> "Player":
        """The player with something new to do."""
        push = None
        if rng.random() > _WANDERS:
            push = pick_push(sight.pose, sight.agent, self._aim(goal), rng)
        strokes = self.strokes + 1
        if push is None:
            seconds = rng.uniform(0.8, 2.4)
            aim = rng.normal(0.0, 35.0, 2)
            wander = Wander(aim, rng.uniform(0.2, 1.0), round(seconds / self.controls.period))
            return dataclasses.replace(self, stroke=None, wander=wander, strokes=strokes)
        stroke = Stroke(push.place, push.direction, push.length, 60.0 * rng.uniform(0.4, 1.0))
        return dataclasses.replace(self, stroke=stroke, wander=None, strokes=strokes)

    def _aim(self, goal: np.ndarray) -> np.ndarray:
        """The pose [3] that the pushes of this while tend to: about the goal, or anywhere on the table."""
        rng = np.random.default_rng([self.seed, 2, self.strokes // _AIMS_EVERY])
        if rng.random() < _NEAR_GOAL:
            return goal + rng.normal(0.0, [15.0, 15.0, 0.2])
        return np.append(rng.uniform(120.0, 392.0, 2), rng.uniform(-np.pi, np.pi))
