"""Threading: the end of a cable is to go through a ring that stands in the way."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import field
from diorama.core.env import Scenario
from diorama.envs.rope.rod import at_rest
from diorama.envs.rope.shapes import Capsule
from diorama.envs.rope.tasks.config import TaskConfig
from diorama.envs.rope.tasks.geometry import at_height, crossings
from diorama.envs.rope.tasks.scenes import rope, table
from diorama.envs.rope.tasks.task import Scene, Task
from diorama.envs.rope.vectors import length

RING_RADIUS, TUBE_RADIUS, SIDES = 0.035, 0.005, 10
AHEAD = (1.0, 0.0, 0.0)
BEYOND, WANTED = 0.03, 0.05


class Threading(Task):
    """A stiff cable is held 8 cm behind its tip; a ring stands upright before it, and the gripper must stay before it.

    Done: the cable goes through the ring once and its tip is at least 3 cm beyond. The cost [m] is the distance of the
    tip from a point 5 cm behind the middle of the ring, plus 5 cm while the cable does not go through.
    """

    config: TaskConfig = field(
        static=True, default=TaskConfig(26, 0.5, ((20, 21),), bend=5e-4, self_contact=False, decisions=8)
    )
    name: str = field(static=True, default="threading")
    goal_names: tuple[str, ...] = field(static=True, default=("x", "y", "z"))
    total_vertices: int = field(static=True, default=26)

    def begin(self, scenario: Scenario, key: PRNGKeyArray) -> Scene:
        """The ring is 15 to 20 cm before the tip, up to 8 cm aside, its middle 8 to 14 cm over the floor."""
        ring = jax.random.uniform(key, (3,), minval=jnp.array([0.15, -0.08, 0.08]), maxval=jnp.array([0.2, 0.08, 0.14]))
        share = jnp.linspace(-self.config.length, 0.0, self.config.vertices)
        line = jnp.stack([share, jnp.zeros_like(share)], -1)
        position = at_height(line, self.config.radius)
        rod = rope(self.config, scenario, position)
        low = jnp.array([-0.4, -0.3, self.config.radius])
        high = jnp.stack([ring[0] - 0.02, jnp.asarray(0.3), jnp.asarray(0.3)])
        around = table(self.config, scenario, *hoop(ring))
        return Scene(rod, at_rest(rod, position), around, ring, low, high)

    def cost(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """See the class."""
        aim = goal + WANTED * jnp.array(AHEAD)
        missed = 1.0 - jnp.clip(self.through(vertices, goal), 0.0, 1.0)
        return length(vertices[-1] - aim) + 0.05 * missed

    def solved(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Bool[Array, ""]:
        """See the class."""
        return (self.through(vertices, goal) == 1.0) & (vertices[-1, 0] - goal[0] >= BEYOND)

    def marks(self, goal: Float[Array, " G"]) -> Float[Array, "M 3"]:
        """None."""
        return jnp.zeros((0, 3))

    def way(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, "P K 3"]:
        """To the height of the ring and before it, then ahead."""
        held = vertices[self.config.grips[0][0]]
        reach = vertices[-1, 0] - held[0]
        back = jnp.array([reach + 0.04, 0.0, 0.0])
        before, through = goal - back, goal - back + jnp.array([0.04 + 0.055, 0.0, 0.0])
        return jnp.stack([held, before, before, through, through, through])[:, None]

    def through(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """How often the cable goes through the ring ahead, less how often back: the linking number, once closed."""
        return crossings(vertices, goal, jnp.array(AHEAD), RING_RADIUS)


def hoop(middle: Float[Array, " 3"]) -> list[Capsule]:
    """An upright ring, as a polygon of capsules whose centre lines touch a circle of `RING_RADIUS` and the tube's."""
    turn = 2.0 * jnp.pi * jnp.arange(SIDES) / SIDES
    out = (RING_RADIUS + TUBE_RADIUS) / jnp.cos(jnp.pi / SIDES)
    corners = middle[None] + out * jnp.stack([jnp.zeros_like(turn), jnp.cos(turn), jnp.sin(turn)], -1)
    following = jnp.roll(corners, -1, 0)
    return [Capsule(corners[side], following[side], jnp.asarray(TUBE_RADIUS)) for side in range(SIDES)]
