"""Coiling: a hanging rope is to be laid down in a small heap or coil around a mark."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import field
from diorama.core.env import Scenario
from diorama.envs.rope.rod import at_rest
from diorama.envs.rope.tasks.config import TaskConfig
from diorama.envs.rope.tasks.geometry import aside
from diorama.envs.rope.tasks.scenes import rope, table
from diorama.envs.rope.tasks.task import Scene, Task

_WITHIN, _FLAT = 0.12, 0.08


class Coiling(Task):
    """A rope of 60 cm hangs from a gripper, its lower end near the floor and beside the mark.

    Done: every vertex is within 12 cm of the mark on the floor plan and no higher than 8 cm. The cost [m] is the mean
    over vertices of what is beyond 9 cm, plus the mean of the height above 5 cm.
    """

    config: TaskConfig = field(static=True, default=TaskConfig(31, 0.6, ((0,),), bend=3e-5))
    name: str = field(static=True, default="coiling")
    goal_names: tuple[str, ...] = field(static=True, default=("x", "y"))
    total_vertices: int = field(static=True, default=31)

    def begin(self, scenario: Scenario, key: PRNGKeyArray) -> Scene:
        """The mark is up to 15 cm aside along each axis, and at least 5 cm along one."""
        side_key, mark_key = jax.random.split(key)
        side = jnp.where(jax.random.bernoulli(side_key, shape=(2,)), 1.0, -1.0)
        mark = side * jax.random.uniform(mark_key, (2,), minval=0.05, maxval=0.15)
        height = jnp.linspace(self.config.length, 0.0, self.config.vertices) + self.config.radius
        position = jnp.stack([jnp.zeros_like(height), jnp.zeros_like(height), height], -1)
        rod = rope(self.config, scenario, position)
        low, high = jnp.array([-0.4, -0.4, self.config.radius]), jnp.array([0.4, 0.4, 0.7])
        return Scene(rod, at_rest(rod, position), table(self.config, scenario), mark, low, high)

    def cost(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """See the class."""
        beyond = jnp.maximum(self._aside(vertices, goal) - 0.09, 0.0)
        return jnp.mean(beyond) + jnp.mean(jnp.maximum(vertices[:, 2] - 0.05, 0.0))

    def solved(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Bool[Array, ""]:
        """See the class."""
        return jnp.all(self._aside(vertices, goal) <= _WITHIN) & jnp.all(vertices[:, 2] <= _FLAT)

    def marks(self, goal: Float[Array, " G"]) -> Float[Array, "M 3"]:
        """The circle that is to hold the rope."""
        return jnp.append(goal, _WITHIN)[None]

    def way(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, "P K 3"]:
        """Over the mark, then down in two circles."""
        share = jnp.linspace(0.0, 1.0, 9)
        turn = 4.0 * jnp.pi * share
        circle = goal[None] + 0.06 * jnp.minimum(4.0 * share, 1.0)[:, None] * jnp.stack(
            [jnp.cos(turn), jnp.sin(turn)], -1
        )
        top = vertices[0, 2] + 0.04
        down = jnp.concatenate([circle, (top - share * (top - 0.03))[:, None]], -1)
        above = jnp.concatenate([0.5 * (vertices[0, :2] + goal), vertices[0, 2:] + 0.04])
        return jnp.concatenate([vertices[:1], above[None], down, down[-1:]])[:, None]

    def _aside(self, vertices: Array, goal: Array) -> Array:
        return aside(vertices[:, :2], goal)
