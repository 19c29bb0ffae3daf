"""Wrapping: a rope that is held at both ends is to be wound around a post, close to it."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import field
from diorama.core.env import Scenario
from diorama.envs.rope.rod import at_rest
from diorama.envs.rope.tasks.config import TaskConfig
from diorama.envs.rope.tasks.geometry import aside, at_height, swept, turned, turns
from diorama.envs.rope.tasks.scenes import UP, post, rope, table
from diorama.envs.rope.tasks.task import Scene, Task
from diorama.envs.rope.vectors import unit

POST_RADIUS, POST_HEIGHT = 0.03, 0.14
_CLOSE, _LEAST, _WANTED = 0.06, 2.0 * math.pi, 7.0
_ANGLE_WEIGHT = 0.05
_VERTICES = 51
_ROUND = (
    (0.32, 0.0, 0.03, 0.09),
    (0.1, 0.2, 0.03, 0.09),
    (-0.15, 0.24, 0.03, 0.09),
    (-0.38, 0.1, 0.03, 0.08),
    (-0.38, 0.08, 0.03, 0.08),
)
"""Places of the ends from the post [m]: aside, each on its own side; beyond; heights of the first and the second."""


class Wrapping(Task):
    """A rope of 1 m lies to one side of a post; a gripper holds each end.

    Done: along the vertices within 6 cm of the post's axis and below its top, the view from the axis makes at least
    one full turn, the way in which the rope lies past the post. The cost [m] is 0.05 m for each rad that this angle
    lacks of 7, plus 0.05 m for each rad that the angle of the whole rope does.
    """

    config: TaskConfig = field(
        static=True, default=TaskConfig(_VERTICES, 1.0, ((0,), (_VERTICES - 1,)), bend=1e-4, decisions=12)
    )
    name: str = field(static=True, default="wrapping")
    goal_names: tuple[str, ...] = field(static=True, default=("x", "y", "turn"))
    total_vertices: int = field(static=True, default=_VERTICES)

    def begin(self, scenario: Scenario, key: PRNGKeyArray) -> Scene:
        """The rope lies 8 to 14 cm to one side of the post, its middle up to 5 cm aside, the whole turned anyhow."""
        post_key, place_key, far_key, side_key, turn_key = jax.random.split(key, 5)
        foot = jax.random.uniform(post_key, (2,), minval=-0.1, maxval=0.1)
        angle = jax.random.uniform(turn_key, (), minval=-jnp.pi, maxval=jnp.pi)
        side = jnp.where(jax.random.bernoulli(side_key), 1.0, -1.0)
        far = side * jax.random.uniform(far_key, (), minval=0.08, maxval=0.14)
        middle = jax.random.uniform(place_key, (), minval=-0.05, maxval=0.05)
        share = jnp.linspace(-0.5, 0.5, _VERTICES) * self.config.length + middle
        line = turned(at_height(jnp.stack([share, jnp.full_like(share, -far)], -1), self.config.radius), angle)
        line = line + jnp.append(foot, 0.0)[None]
        rod = rope(self.config, scenario, line)
        around = table(self.config, scenario, post(foot, POST_HEIGHT, POST_RADIUS))
        low, high = jnp.array([-0.8, -0.8, self.config.radius]), jnp.array([0.8, 0.8, 0.3])
        return Scene(rod, at_rest(rod, line), around, jnp.append(foot, side), low, high)

    def cost(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """See the class."""
        whole = goal[2] * swept(vertices[:, :2], goal[:2])
        lacks = jnp.maximum(_WANTED - jnp.stack([whole, self._wound(vertices, goal)]), 0.0)
        return _ANGLE_WEIGHT * jnp.sum(lacks)

    def solved(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Bool[Array, ""]:
        """See the class."""
        return self._wound(vertices, goal) >= _LEAST

    def marks(self, goal: Float[Array, " G"]) -> Float[Array, "M 3"]:
        """None."""
        return jnp.zeros((0, 3))

    def way(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, "P K 3"]:
        """Both ends go round the post and past each other behind it, one below the other, and are drawn tight."""
        ends = jnp.stack([vertices[0], vertices[-1]])
        ahead = unit((ends[1] - ends[0]) * jnp.array([1.0, 1.0, 0.0]))
        across = goal[2] * jnp.stack([-ahead[1], ahead[0], jnp.zeros(())])
        outward, beyond, *heights = jnp.array(_ROUND).T
        foot = jnp.append(goal[:2], 0.0)
        ways = []
        for side, height in zip((-1.0, 1.0), heights, strict=True):
            place = foot[None] + side * outward[:, None] * ahead[None] + beyond[:, None] * across[None]
            ways.append(place + height[:, None] * jnp.array([UP]))
        return jnp.concatenate([ends[None], jnp.stack(ways, 1)])

    def _wound(self, vertices: Array, goal: Array) -> Array:
        """The angle [rad] that the part close to the post turns."""
        near = (aside(vertices[:, :2], goal[:2]) <= _CLOSE) & (vertices[:, 2] <= POST_HEIGHT)
        return goal[2] * jnp.sum(jnp.where(near[:-1] & near[1:], turns(vertices[:, :2], goal[:2]), 0.0))
