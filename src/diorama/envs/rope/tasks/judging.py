"""What is said of a rope's episodes afterwards: success, how far from done they end. Functions of what was seen alone.

The goal is the one that an episode showed first: in a learned world that is reality's, and what is imagined of it later
moves no mark.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diorama.core import Trajectory, filter_jit
from diorama.core.errors import SpecError
from diorama.envs.rope.tasks.task import Task
from diorama.envs.rope.tasks.world import TOO_FAST

Seen = Mapping[str, Any]


def succeeded(task: Task, trajectory: Trajectory) -> np.ndarray:
    """Success of each episode [...]: the rope is as it is wanted after the last two decisions, and is whole.

    The last decisions are those that happened (``mask``). Raises `SpecError` where the episodes are not as long as the
    task allows, and where they do not show vertices and goal.
    """
    if trajectory.length != task.config.decisions:
        raise SpecError(
            f"Episodes of {trajectory.length} steps; {task.name} is judged after {task.config.decisions} of them."
        )
    places, goal = _shown(task, trajectory.observation)
    mask = np.asarray(trajectory.mask)
    steps = mask.sum(-1)
    pair = np.stack([np.maximum(steps - 1, 0), steps], -1)
    last = np.take_along_axis(places, pair[..., None, None], axis=-3).reshape(-1, 2, *places.shape[-2:])
    solved = np.asarray(_both(task, last, goal[..., 0, :].reshape(len(last), -1))).reshape(steps.shape)
    return np.asarray(solved & ~(np.asarray(trajectory.end) & mask).any(-1))


def cost_left(task: Task, trajectory: Trajectory) -> np.ndarray:
    """The task's cost [m] after the last step that happened of each episode, float64 [...]; smaller is better."""
    places, goal = _shown(task, trajectory.observation)
    steps = np.asarray(trajectory.mask).sum(-1)
    last = np.take_along_axis(places, steps[..., None, None, None], axis=-3)[..., 0, :, :]
    return _costs(task, last, goal[..., 0, :])


def fallen(task: Task, before: Seen, after: Seen) -> np.ndarray:
    """The reward of a step as `RopeTask` gives it, from what is seen before and after it: float64 [...], in m.

    Each cost is for the goal that is seen with it, so that a goal which drifts in imagination adds up to no return.
    """
    return _costs(task, *_shown(task, before)) - _costs(task, *_shown(task, after)) - torn(after)


def torn(seen: Seen) -> np.ndarray:
    """Whether a vertex is as fast as none of a whole rope is, bool [...]; never where no velocities are seen."""
    if "velocities" not in seen:
        return np.zeros(np.asarray(seen["vertices"]).shape[:-1], bool)
    return (np.abs(np.asarray(seen["velocities"])) >= TOO_FAST).any(-1)


def _shown(task: Task, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [..., V, 3] and goal [..., G]."""
    if missing := sorted({"vertices", "goal"} - set(seen)):
        raise SpecError(f"{task.name} is judged by vertices and goal, and {missing} are not seen; fit a world to both.")
    vertices = np.asarray(seen["vertices"])
    return vertices.reshape(*vertices.shape[:-1], task.total_vertices, 3), np.asarray(seen["goal"])


def _costs(task: Task, places: np.ndarray, goal: np.ndarray) -> np.ndarray:
    lead = places.shape[:-2]
    flat = _cost(task, places.reshape(-1, *places.shape[-2:]), goal.reshape(-1, goal.shape[-1]))
    return np.asarray(flat, np.float64).reshape(lead)


@filter_jit
def _cost(task: Task, places: Array, goal: Array) -> Array:
    return jax.vmap(task.cost)(places, goal)


@filter_jit
def _both(task: Task, last: Array, goal: Array) -> Array:
    return jax.vmap(lambda places, wanted: jnp.all(jax.vmap(lambda place: task.solved(place, wanted))(places)))(
        last, goal
    )
