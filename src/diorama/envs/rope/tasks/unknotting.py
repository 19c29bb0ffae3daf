"""Unknotting: a rope lies on the floor with a loose overhand knot, which is to be undone."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import field
from diorama.core.env import Scenario
from diorama.envs.rope.knots import average_crossings, knotted
from diorama.envs.rope.rod import at_rest
from diorama.envs.rope.tasks.config import TaskConfig
from diorama.envs.rope.tasks.geometry import at_height, turned
from diorama.envs.rope.tasks.scenes import UP, rope, table
from diorama.envs.rope.tasks.task import Scene, Task
from diorama.envs.rope.vectors import length, unit

_CUT = 0.6
"""How much of the closed curve is left out [rad], half on each side of where the tails begin."""
_SIDES_AND_THIRDS = ((1, -2), (-1, 0), (1, -1), (-1, 1), (1, 0), (-1, 2))
_CROSSED = tuple(side * math.acos(-0.25) + third * 2.0 * math.pi / 3.0 for side, third in _SIDES_AND_THIRDS)
"""Where the closed curve crosses itself [rad]."""
_BUMP, _POINTS = 0.022, 160
_CROSSED_WEIGHT = 0.1
_OUT = (0.0, 0.0, 0.0, 0.16, 0.32, 0.47, 0.47, 0.4, 0.3)
_UPWARDS = (0.16, 0.31, 0.46, 0.46, 0.46, 0.4, 0.25, 0.12, 0.02)
"""The way by hand [m]: outwards from where the held place lies, and its height."""


class Unknotting(Task):
    """The rope is an open trefoil, left- or right-handed.

    One gripper holds a place two crossings from an end, a second one the other end.
    Done: the ends are at least as far apart on the floor plan as the goal says, and the rope has no knot (`knotted`).
    Pulling the ends apart alone draws the knot tight. The cost [m] is what the distance of the ends lacks, plus 0.1 m
    for each crossing of the average view.
    """

    config: TaskConfig = field(
        static=True, default=TaskConfig(46, 0.95, ((18,), (45,)), bend=2e-5, decisions=20, speed=0.35)
    )
    name: str = field(static=True, default="unknotting")
    goal_names: tuple[str, ...] = field(static=True, default=("apart",))
    total_vertices: int = field(static=True, default=46)

    def begin(self, scenario: Scenario, key: PRNGKeyArray) -> Scene:
        """Size, angle, handedness, the lengths and angles of the tails, and the goal of 52 to 60 cm are drawn."""
        keys = jax.random.split(key, 4)
        draw = jax.random.uniform(keys[0], (5,), minval=-1.0, maxval=1.0)
        position = _overhand(
            self.config, 0.0225 + 0.0025 * draw[0], 0.03 * draw[1], 0.5 + 0.4 * draw[2:4], jnp.sign(draw[4])
        )
        position = turned(position, jax.random.uniform(keys[1], (), minval=-jnp.pi, maxval=jnp.pi))
        goal = jax.random.uniform(keys[2], (1,), minval=0.52, maxval=0.6)
        rod = rope(self.config, scenario, position)
        low, high = jnp.array([-0.9, -0.9, self.config.radius]), jnp.array([0.9, 0.9, 0.5])
        return Scene(rod, at_rest(rod, position), table(self.config, scenario), goal, low, high)

    def cost(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """See the class."""
        return jnp.maximum(goal[0] - _span(vertices), 0.0) + _CROSSED_WEIGHT * average_crossings(vertices)

    def solved(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Bool[Array, ""]:
        """See the class."""
        return (_span(vertices) >= goal[0]) & ~knotted(vertices)

    def marks(self, goal: Float[Array, " G"]) -> Float[Array, "M 3"]:
        """None."""
        return jnp.zeros((0, 3))

    def way(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, "P K 3"]:
        """The held place is lifted until its tail hangs free of the knot, carried away, and laid down end first."""
        held, end = vertices[jnp.asarray([grip[0] for grip in self.config.grips])]
        up, flat = jnp.asarray(UP), jnp.array([1.0, 1.0, 0.0])
        out = unit((held - jnp.mean(vertices, 0)) * flat)
        foot = held * flat
        ways = zip(_OUT, _UPWARDS, strict=True)
        places = [held, *(foot + share * out + height * up for share, height in ways)]
        return jnp.stack([jnp.stack(places), jnp.broadcast_to(end, (len(places), 3))], 1)


def _span(vertices: Array) -> Array:
    """How far apart the ends are on the floor plan [m]."""
    return length((vertices[-1] - vertices[0]) * jnp.array([1.0, 1.0, 0.0]))


def _overhand(config: TaskConfig, scale: Array, shift: Array, splay: Array, hand: Array) -> Array:
    """Vertices [m] of an open trefoil with straight tails on the floor; ``hand`` is 1 or -1.

    The middle of the rope is ``shift`` [m] off the middle of the knot, the tails spread by ``splay`` [rad].
    """
    turn = jnp.linspace(_CUT - jnp.pi, jnp.pi - _CUT, _POINTS)
    x, y = jnp.sin(turn) + 2.0 * jnp.sin(2.0 * turn), jnp.cos(turn) - 2.0 * jnp.cos(2.0 * turn)
    curve = scale * jnp.stack([x, y], -1)
    ways = jnp.stack([jnp.sin(splay) * jnp.array([1.0, -1.0]), -jnp.cos(splay)], -1)
    tails = 0.5 * ways
    whole = jnp.concatenate([curve[:1] + tails[:1], curve, curve[-1:] + tails[1:]])
    size = jnp.concatenate([jnp.zeros(1), jnp.cumsum(length(at_height(whole[1:] - whole[:-1], 0.0)))])
    places = 0.5 * size[-1] + shift + jnp.linspace(-0.5, 0.5, config.vertices) * config.length
    flat = jnp.stack([jnp.interp(places, size, column) for column in whole.T], -1)
    crossed = jnp.interp(jnp.asarray(_CROSSED), turn, size[1:-1])
    bump = jnp.exp(-(((places[:, None] - crossed[None]) / _BUMP) ** 2))
    over = -hand * jnp.sin(3.0 * jnp.asarray(_CROSSED)) > 0.0
    lift = 2.2 * config.radius * jnp.sum(bump * over[None], -1)
    return at_height(flat, config.radius) + lift[:, None] * jnp.asarray(UP)[None]
