"""The three published scores of Push-T. They measure different things: name the one that you report, never mix them.

Each is a pure function of a `Trajectory` (leading batch axes allowed) to one value for each episode. Poses are read
from the observation ``state``, or else ``features``. As published, only what follows an action counts: the first
observation does not. Steps with ``mask`` False do not count either.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from diorama.core.errors import SpecError
from diorama.core.trajectory import Trajectory
from diorama.envs.pusht.coverage import REWARD_COVERAGE, coverage
from diorama.envs.pusht.geometry import wrap_angle
from diorama.envs.pusht.scenario import exact

GOAL_DISTANCE = 20.0
"""Largest distance of agent and block together from their goal that counts as reached [px]."""
GOAL_ANGLE = np.pi / 9
"""Largest angle of the block from its goal that counts as reached [rad]."""


def best_clipped_coverage(trajectory: Trajectory) -> np.ndarray:
    """The best reward of each episode, in [0, 1]: max over steps of clip(coverage / 0.95, 0, 1); float64 [*batch].

    The score (no rate of success) of Diffusion Policy, ``test/mean_score`` once averaged over episodes.
    Source: Chi et al. 2023 (arXiv 2303.04137), section 5 and code.
    """
    return np.max(np.minimum(_coverage(trajectory) / REWARD_COVERAGE, 1.0), axis=-1, initial=0.0)


def success_coverage(trajectory: Trajectory) -> np.ndarray:
    """Whether the block covers more than 95 % of the goal after any step, bool [*batch]: gym-pusht's ``is_success``.

    The success rate of LeRobot (within 300 steps at 10 Hz). Goal and scales are those of the trajectory's scenario.
    """
    return np.any(_coverage(trajectory) > REWARD_COVERAGE, axis=-1)


def goal_reached(trajectory: Trajectory, goal: np.ndarray) -> np.ndarray:
    """Whether a whole goal state is reached after any step, bool [*batch].

    ``goal`` is [*batch, 5] or [5]: agent x, y, block x, y [px], block angle [rad], usually a state that a recording
    shows 25 steps later. Reached: the four positions together are less than 20 px away (Euclidean norm), the angle less
    than pi / 9 rad. Source: the rule of DINO-WM (arXiv 2411.04983) and LeWM; their budget is 50 steps.
    """
    goal = np.asarray(goal, np.float64)
    if goal.shape[-1:] != (5,):
        raise SpecError(f"The goal has shape {goal.shape}; give [..., 5]: agent x, y, block x, y, block angle.")
    agent, block, angle = _poses(trajectory)
    away = np.concatenate([agent, block], axis=-1) - goal[..., None, :4]
    turned = np.abs(wrap_angle(angle - goal[..., None, 4]))
    near = (np.linalg.norm(away, axis=-1) < GOAL_DISTANCE) & (turned < GOAL_ANGLE)
    return np.any(near & np.asarray(trajectory.mask), axis=-1)


def block_reached(trajectory: Trajectory) -> np.ndarray:
    """Whether the block comes to its goal by the rule of `goal_reached`, wherever the agent is, bool [*batch].

    Less than 20 px and pi / 9 rad after any step: looser than a coverage of 95 %. It is not the published rule, whose
    goal holds a place of the agent too. Goal and scenario are those of the trajectory.
    """
    _, block, angle = _poses(trajectory)
    position, turned = (exact(trajectory.scenario, name) for name in ("goal_position", "goal_angle"))
    away = np.linalg.norm(block - position[..., None, :], axis=-1)
    near = (away < GOAL_DISTANCE) & (np.abs(wrap_angle(angle - turned[..., None])) < GOAL_ANGLE)
    return np.any(near & np.asarray(trajectory.mask), axis=-1)


def coverage_shown(scenario: Mapping[str, Any], observation: Mapping[str, Any]) -> np.ndarray:
    """The share of the goal that the block covers in observations [*batch, ...] under a scenario [*batch]: [*batch]."""
    _, block, angle = poses_shown(observation)
    position, goal_angle, scale, size = (
        exact(scenario, name) for name in ("goal_position", "goal_angle", "block_scale", "goal_size")
    )
    batch = np.broadcast_shapes(position.shape[:-1], goal_angle.shape)
    goal = np.concatenate(
        [np.broadcast_to(position, (*batch, 2)), np.broadcast_to(goal_angle[..., None], (*batch, 1))], axis=-1
    )
    return coverage(block, angle, goal, scale, scale * size)


def poses_shown(observation: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Agent [*batch, 2] and block [*batch, 2] in px and angle [*batch] in rad of ``state``, or else ``features``.

    Raises `SpecError` where neither is observed.
    """
    if "state" in observation:
        rows = np.asarray(observation["state"], np.float64)
        return rows[..., 0:2], rows[..., 2:4], rows[..., 4]
    if "features" not in observation:
        raise SpecError(
            "The trajectory has no observation 'state' or 'features'; add one to the observations of PushT."
        )
    rows = np.asarray(observation["features"], np.float64)
    return rows[..., 0:2], rows[..., 4:6], np.arctan2(rows[..., 7], rows[..., 6])


def _poses(trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Agent [..., T, 2], block [..., T, 2] and angle [..., T] after each step."""
    return poses_shown(_after(trajectory))


def _coverage(trajectory: Trajectory) -> np.ndarray:
    """Coverage after each step [..., T]; 0 where there was none."""
    names = ("goal_position", "goal_angle", "block_scale", "goal_size")
    over_time = {name: np.expand_dims(exact(trajectory.scenario, name), -2 if "pos" in name else -1) for name in names}
    return np.where(np.asarray(trajectory.mask), coverage_shown(over_time, _after(trajectory)), 0.0)


def _after(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """What was observed after each step; vectors only."""
    vectors = ("state", "features")
    return {
        name: np.asarray(trajectory.observation[name])[..., 1:, :] for name in vectors if name in trajectory.observation
    }
