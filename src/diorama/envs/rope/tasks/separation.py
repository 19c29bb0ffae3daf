"""Separation: two ropes that hook into each other are to be drawn apart."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import field
from diorama.core.env import Scenario
from diorama.envs.rope.rod import at_rest
from diorama.envs.rope.tasks.config import TaskConfig
from diorama.envs.rope.tasks.geometry import along, apart, at_height, turned
from diorama.envs.rope.tasks.scenes import rope, table, together
from diorama.envs.rope.tasks.task import Scene, Task
from diorama.envs.rope.vectors import length, unit

_EACH, _BEND = 27, 0.05
_WANTED = 0.08
_BUMP = 0.025


class Separation(Task):
    """Two bends lie hooked into each other, one over the other at one crossing and under it at the second.

    One gripper holds an end of each. Done: every vertex of the one is at least 8 cm from every vertex of the other.
    The cost [m] is what the smallest of these distances lacks of 12 cm, plus 0.1 of what the distance of the middles of
    the ropes lacks of 60 cm.
    """

    config: TaskConfig = field(static=True, default=TaskConfig(2 * _EACH, 0.54, ((0,), (2 * _EACH - 1,))))
    name: str = field(static=True, default="separation")
    goal_names: tuple[str, ...] = field(static=True, default=("apart",))
    total_vertices: int = field(static=True, default=2 * _EACH)

    def begin(self, scenario: Scenario, key: PRNGKeyArray) -> Scene:
        """The whole is turned by any angle; how far the bends reach into each other differs by 2 cm."""
        angle_key, deep_key = jax.random.split(key)
        angle = jax.random.uniform(angle_key, (), minval=-jnp.pi, maxval=jnp.pi)
        deep = jax.random.uniform(deep_key, (), minval=-0.01, maxval=0.01)
        first, second = _hooked(self.config.radius, deep)
        pair = turned(jnp.concatenate([first, second]), angle)
        rods = [rope(self.config, scenario, part) for part in (pair[:_EACH], pair[_EACH:])]
        rod = together(*rods)
        low, high = jnp.array([-0.9, -0.9, self.config.radius]), jnp.array([0.9, 0.9, 0.4])
        around = table(self.config, scenario)
        return Scene(rod, at_rest(rod, pair), around, jnp.full(1, _WANTED), low, high)

    def cost(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """See the class."""
        first, second = vertices[:_EACH], vertices[_EACH:]
        lacks = jnp.maximum(1.5 * goal[0] - jnp.min(apart(first, second)), 0.0)
        return lacks + 0.1 * jnp.maximum(0.6 - length(jnp.mean(first, 0) - jnp.mean(second, 0)), 0.0)

    def solved(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Bool[Array, ""]:
        """See the class."""
        return jnp.min(apart(vertices[:_EACH], vertices[_EACH:])) >= goal[0]

    def marks(self, goal: Float[Array, " G"]) -> Float[Array, "M 3"]:
        """None."""
        return jnp.zeros((0, 3))

    def way(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, "P K 3"]:
        """Each end is drawn away from the other rope, along its own branch."""
        ends = jnp.stack([vertices[0], vertices[-1]])
        out = (ends - jnp.stack([jnp.mean(vertices[:_EACH], 0), jnp.mean(vertices[_EACH:], 0)])) * jnp.array(
            [[1.0, 1.0, 0.0]]
        )
        out = 0.6 * unit(out)
        return ends[None] + jnp.linspace(0.0, 1.0, 5)[:, None, None] * out[None]


def _hooked(radius: float, deep: Array) -> tuple[Array, Array]:
    """Centre lines of the two bends [m]: the first is open to the left, the second to the right."""
    turn = jnp.linspace(0.5 * jnp.pi, -0.5 * jnp.pi, 9)
    arc = _BEND * jnp.stack([jnp.cos(turn), jnp.sin(turn)], -1)
    start = jnp.array([[-0.19, _BEND]])
    flat = jnp.concatenate([start, arc, start * jnp.array([[1.0, -1.0]])])
    bend = along(at_height(flat, radius), _EACH)
    first = bend + deep * jnp.array([1.0, 0.0, 0.0])[None]
    second = bend * jnp.array([-1.0, -1.0, 1.0])[None] + jnp.array([0.0, _BEND, 0.0])[None]
    cross = jnp.array([[-_BEND, _BEND], [_BEND, 0.0]])
    over = [
        jnp.exp(-jnp.sum((part[:, :2] - at[None]) ** 2, -1) / _BUMP**2)
        for part, at in zip((first, second), cross, strict=True)
    ]
    up = jnp.array([[0.0, 0.0, 1.0]])
    lifted = [part + 2.2 * radius * bump[:, None] * up for part, bump in zip((first, second), over, strict=True)]
    return lifted[0], lifted[1]
