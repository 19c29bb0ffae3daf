"""The solution of a rope task by hand: planned from the first observation, then played as it was planned."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from diorama.core import EnvSpec, Policy
from diorama.core.env import Observation
from diorama.core.errors import SpecError
from diorama.envs.rope.tasks.task import Task

Memory = tuple[Int[Array, ""], Float[Array, "T A"]]


def scripted(task: Task, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, "T A"]:
    """The actions [m/s] of the task's solution by hand."""
    config = task.config
    way = task.way(vertices, goal)
    share = jnp.linspace(0.0, 1.0, config.decisions + 1)
    knots = jnp.linspace(0.0, 1.0, way.shape[0])
    flat = way.reshape(way.shape[0], -1)
    places = jnp.stack([jnp.interp(share, knots, column) for column in flat.T], -1)
    return jnp.clip(jnp.diff(places, axis=0) / config.control_period, -config.speed, config.speed)


class ByHand(Policy):
    """Plays `scripted` of what it sees first, and holds still when that is over. Its memory: the step and the plan."""

    task: Task

    def init(self, spec: EnvSpec) -> Memory:
        """Step 0 and no plan yet. Raises `SpecError` where the world does not show the task's vertices and goal."""
        wanted = {"vertices": (3 * self.task.total_vertices,), "goal": (len(self.task.goal_names),)}
        if any(name not in spec.observation or spec.observation[name].shape != wanted[name] for name in wanted):
            raise SpecError(
                f"{spec.name!r} shows {sorted(spec.observation)}; the solution of {self.task.name} by hand needs the "
                "vertices and the goal of that task."
            )
        config = self.task.config
        return jnp.zeros((), jnp.int32), jnp.zeros((config.decisions, spec.action.size))

    def act(self, memory: Memory, observation: Observation, key: PRNGKeyArray) -> tuple[Float[Array, " A"], Memory]:
        """The next action [m/s] of the plan."""
        step, plan = memory
        made = scripted(self.task, observation["vertices"].reshape(-1, 3), observation["goal"])
        plan = jnp.where(step == 0, made, plan)
        action = jnp.where(step < len(plan), plan[jnp.minimum(step, len(plan) - 1)], 0.0)
        return action, (step + 1, plan)
