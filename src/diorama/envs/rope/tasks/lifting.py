"""Lifting: a handle that stands on the floor is to be lifted to a place in the air, by a rope that goes through it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import field
from diorama.core.env import Scenario
from diorama.envs.rope.rod import at_rest
from diorama.envs.rope.tasks.config import TaskConfig
from diorama.envs.rope.tasks.geometry import apart, turned
from diorama.envs.rope.tasks.scenes import formed, rope, stiff, table, together
from diorama.envs.rope.tasks.task import Scene, Task
from diorama.envs.rope.vectors import length, unit

EDGE, FOOT, LEG, TOP = 0.02, 3, 5, 5
"""An edge of the handle [m], and how many of them a foot, a leg and the top have."""
HANDLE_VERTICES = 2 * FOOT + 2 * LEG + TOP + 1
_ROPE = 41
_WITHIN, _HANDS_OFF = 0.04, 0.08
_THROUGH, _RISE = 0.05, 0.35
"""The height at which the end goes through the handle, and how far over its middle hands lift it [m]."""


class Lifting(Task):
    """A rope lies before a handle, a bent stiff wire with two feet; one gripper holds each of its ends.

    Done: the middle of the handle is within 4 cm of the goal, 15 to 25 cm over the floor, and no gripper is within
    8 cm of the handle: it hangs on the rope. The cost [m] is the distance of the middle from the goal, plus half of
    what the nearest vertex of the rope is beyond 4 cm from the middle of the handle's opening.
    """

    config: TaskConfig = field(static=True, default=TaskConfig(_ROPE, 0.8, ((0,), (_ROPE - 1,)), decisions=12))
    name: str = field(static=True, default="lifting")
    goal_names: tuple[str, ...] = field(static=True, default=("x", "y", "z"))
    total_vertices: int = field(static=True, default=_ROPE + HANDLE_VERTICES)

    def begin(self, scenario: Scenario, key: PRNGKeyArray) -> Scene:
        """The handle stands up to 4 cm aside and turned by up to 20 degrees; the goal is within 8 cm of above."""
        place_key, turn_key, goal_key = jax.random.split(key, 3)
        place = jax.random.uniform(place_key, (2,), minval=-0.04, maxval=0.04)
        turn = jnp.deg2rad(jax.random.uniform(turn_key, (), minval=-20.0, maxval=20.0))
        least, most = jnp.array([-0.08, -0.08, 0.15]), jnp.array([0.08, 0.08, 0.25])
        goal = jax.random.uniform(goal_key, (3,), minval=least, maxval=most)
        radius = self.config.radius
        share = jnp.linspace(-self.config.length, 0.0, _ROPE) - 0.1
        line = jnp.stack([share, jnp.zeros_like(share), jnp.full_like(share, radius)], -1)
        handle = turned(_handle(), turn) + jnp.append(place, radius)[None]
        position = jnp.concatenate([line, handle])
        heavy = 2.0 * self.config.line_density
        rod = formed(together(rope(self.config, scenario, line), stiff(self.config, handle, heavy, 2e-3)), position)
        low, high = jnp.array([-1.0, -0.4, radius]), jnp.array([0.6, 0.4, 0.7])
        return Scene(rod, at_rest(rod, position), table(self.config, scenario), goal, low, high)

    def cost(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """See the class."""
        line, handle = vertices[:_ROPE], vertices[_ROPE:]
        opening = jnp.mean(handle[FOOT:-FOOT], 0)
        beyond = jnp.maximum(jnp.min(apart(line, opening[None])) - 0.04, 0.0)
        return length(jnp.mean(handle, 0) - goal) + 0.5 * beyond

    def solved(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Bool[Array, ""]:
        """See the class."""
        handle = vertices[_ROPE:]
        hands = jnp.stack([vertices[grip[0]] for grip in self.config.grips])
        return (length(jnp.mean(handle, 0) - goal) <= _WITHIN) & jnp.all(apart(hands, handle) >= _HANDS_OFF)

    def marks(self, goal: Float[Array, " G"]) -> Float[Array, "M 3"]:
        """The place on the floor under the goal."""
        return jnp.append(goal[:2], _WITHIN)[None]

    def way(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, "P K 3"]:
        """The near end goes through the handle and beyond, then both go up."""
        handle = vertices[_ROPE:]
        across = unit(handle[FOOT + LEG + TOP] - handle[FOOT + LEG])
        ahead = jnp.stack([across[1], -across[0], jnp.zeros(())])
        far, near = vertices[0], vertices[_ROPE - 1]
        middle = jnp.append(jnp.mean(handle, 0)[:2], _THROUGH)
        over = goal + jnp.array([0.0, 0.0, _RISE])
        lifted = jnp.stack([over - 0.28 * ahead, over + 0.28 * ahead])
        places = [
            [far, near],
            [far, middle - 0.08 * ahead],
            [far + jnp.array([0.16, 0.0, 0.0]), middle + 0.06 * ahead],
            [middle - 0.37 * ahead, middle + 0.37 * ahead],
            lifted * jnp.array([[1.0, 1.0, 0.5]]),
            lifted,
            lifted,
        ]
        return jnp.stack([jnp.stack([*pair]) for pair in places])


def _handle() -> Float[Array, "H 3"]:
    """A foot ahead, a leg up, the top across, a leg down and a foot back; its middle over the origin [m]."""
    steps = [([-EDGE, 0.0, 0.0], FOOT), ([0.0, 0.0, EDGE], LEG), ([0.0, EDGE, 0.0], TOP)]
    steps += [([0.0, 0.0, -EDGE], LEG), ([-EDGE, 0.0, 0.0], FOOT)]
    edges = jnp.concatenate([jnp.tile(jnp.array([step]), (count, 1)) for step, count in steps])
    start = jnp.array([[FOOT * EDGE, -0.5 * TOP * EDGE, 0.0]])
    return jnp.concatenate([start, start + jnp.cumsum(edges, 0)])
