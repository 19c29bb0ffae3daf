"""Gathering: pegs that lie about are to be swept together on a mark, with a rope held at both ends."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import field
from diorama.core.env import Scenario
from diorama.envs.rope.rod import at_rest
from diorama.envs.rope.tasks.config import TaskConfig
from diorama.envs.rope.tasks.geometry import aside, at_height
from diorama.envs.rope.tasks.scenes import rope, stiff, table, together
from diorama.envs.rope.tasks.task import Scene, Task

PEGS, PEG_VERTICES, PEG_EDGE = 3, 4, 0.012
_ROPE = 41
_WITHIN = 0.1


class Gathering(Task):
    """A rope lies beyond three pegs; grippers hold its ends.

    Done: the middle of each peg is within 10 cm of the mark. The cost [m] is the mean over the pegs of their distance
    from the mark beyond 5 cm.
    """

    config: TaskConfig = field(static=True, default=TaskConfig(_ROPE, 0.8, ((0,), (_ROPE - 1,))))
    name: str = field(static=True, default="gathering")
    goal_names: tuple[str, ...] = field(static=True, default=("x", "y"))
    total_vertices: int = field(static=True, default=_ROPE + PEGS * PEG_VERTICES)

    def begin(self, scenario: Scenario, key: PRNGKeyArray) -> Scene:
        """Pegs lie 11 to 28 cm ahead, one to the left, one in the middle and one to the right, turned anyhow."""
        mark_key, peg_key, turn_key = jax.random.split(key, 3)
        mark = jax.random.uniform(mark_key, (2,), minval=-0.05, maxval=0.05)
        places = jnp.array([[0.14, -0.13], [0.2, 0.0], [0.14, 0.13]])
        places = places + jax.random.uniform(peg_key, (PEGS, 2), minval=-0.03, maxval=0.03)
        turns = jax.random.uniform(turn_key, (PEGS,), minval=0.0, maxval=jnp.pi)
        side = jnp.linspace(-0.5, 0.5, _ROPE) * self.config.length
        line = at_height(jnp.stack([jnp.full(_ROPE, 0.3), side], -1), self.config.radius)
        pegs = [_peg(place, turn, self.config.radius) for place, turn in zip(places, turns, strict=True)]
        heavy = 3.0 * self.config.line_density
        rods = [rope(self.config, scenario, line), *(stiff(self.config, peg, heavy, 2e-4) for peg in pegs)]
        rod, position = together(*rods), jnp.concatenate([line, *pegs])
        low, high = jnp.array([-0.6, -0.6, self.config.radius]), jnp.array([0.5, 0.6, 0.3])
        return Scene(rod, at_rest(rod, position), table(self.config, scenario), mark, low, high)

    def cost(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """See the class."""
        return jnp.mean(jnp.maximum(self._away(vertices, goal) - 0.05, 0.0))

    def solved(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Bool[Array, ""]:
        """See the class."""
        return jnp.all(self._away(vertices, goal) <= _WITHIN)

    def marks(self, goal: Float[Array, " G"]) -> Float[Array, "M 3"]:
        """The circle that is to hold the pegs."""
        return jnp.append(goal, _WITHIN)[None]

    def way(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, "P K 3"]:
        """Both ends are drawn towards the mark and past it, near each other, with the pegs in the bight."""
        ends = jnp.stack([vertices[0], vertices[_ROPE - 1]])
        sides = jnp.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
        mark = jnp.array([goal[0], goal[1], self.config.radius])[None]
        wide = mark + 0.22 * sides
        last = mark + jnp.array([[-0.36, 0.0, 0.0]]) + 0.06 * sides
        return jnp.stack([ends, wide, 0.5 * (wide + last), last, last])

    def _away(self, vertices: Array, goal: Array) -> Array:
        pegs = vertices[_ROPE:].reshape(PEGS, PEG_VERTICES, 3)
        return aside(jnp.mean(pegs, 1)[:, :2], goal)


def _peg(place: Array, turn: Array, radius: float) -> Array:
    along = (jnp.arange(PEG_VERTICES) - 0.5 * (PEG_VERTICES - 1)) * PEG_EDGE
    return at_height(place[None] + along[:, None] * jnp.stack([jnp.cos(turn), jnp.sin(turn)])[None], radius)
