"""How an action becomes a path of targets for the agent: one small object for each published convention."""

import abc
from typing import final

import numpy as np

from diorama.core.spec import ArraySpec
from diorama.envs.pusht.geometry import TABLE
from diorama.envs.pusht.physics import SUBSTEP

STEP_BOUND = 60.0
"""Largest displacement along each axis that `Relative` takes [px]. The bound is ours: the paper gives none."""


class Interface(abc.ABC):
    """The meaning of an action: its spec, the control period, and the targets that it sets."""

    substeps: int
    """Substeps of 0.01 s in a control period."""
    action: ArraySpec

    @property
    def control_period(self) -> float:
        """Time between two actions [s]."""
        return round(self.substeps * SUBSTEP, 9)

    @abc.abstractmethod
    def targets(self, action: np.ndarray, agent_xy: np.ndarray) -> np.ndarray:
        """Targets [N, substeps, 2] in pixels for actions [N, 2] and agents at [N, 2]."""


@final
class Absolute(Interface):
    """The position where the agent should go [px], 10 times a second, held over the period: gym-pusht's own."""

    substeps = 10
    action = ArraySpec((2,), "px", 0.0, TABLE, names=("target_x", "target_y"))

    def targets(self, action: np.ndarray, agent_xy: np.ndarray) -> np.ndarray:
        """Each action at each substep; as in gym-pusht, not clipped to the table."""
        return np.broadcast_to(np.asarray(action, np.float64)[:, None], (len(action), self.substeps, 2))


@final
class Relative(Interface):
    """A displacement of the agent [px], 5 times a second: the delta-action interface of coupled world models.

    The target runs evenly from where the agent is to there plus the action, clipped to the table. The agent trails its
    target (critically damped, 0.1 s), so that within one period it covers less than the action.
    """

    substeps = 20
    action = ArraySpec((2,), "px", -STEP_BOUND, STEP_BOUND, names=("step_x", "step_y"))

    def targets(self, action: np.ndarray, agent_xy: np.ndarray) -> np.ndarray:
        """A straight path that reaches the displaced position with the last substep."""
        goal = np.clip(agent_xy + np.asarray(action, np.float64), 0.0, TABLE)
        share = (np.arange(1, self.substeps + 1) / self.substeps)[None, :, None]
        return agent_xy[:, None] + (goal - agent_xy)[:, None] * share


class DelayLine:
    """Holds targets back by each world's latency, in substeps; until the first arrives the agent holds its place."""

    def __init__(self, substeps: np.ndarray, hold: np.ndarray):
        self._substeps, self._longest = substeps, int(substeps.max())
        self._waiting = np.repeat(hold[:, None], self._longest, axis=1)

    def pass_on(self, targets: np.ndarray) -> np.ndarray:
        """The targets [N, S, 2] that arrive while ``targets`` [N, S, 2] are being sent."""
        if not self._longest:
            return targets
        stream = np.concatenate([self._waiting, targets], axis=1)
        self._waiting = stream[:, -self._longest :]
        arriving = self._longest - self._substeps[:, None] + np.arange(targets.shape[1])
        return np.take_along_axis(stream, arriving[..., None], axis=1)
