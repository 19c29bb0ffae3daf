"""Slingshot: a band between two posts is to shoot a bar along the floor to a mark."""

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

BAR_VERTICES, BAR_EDGE = 4, 0.012
_BAND, _WIDE = 17, 0.32
_WITHIN = 0.05
_PULLED, _REACHED = (0.075, 0.09, 0.105, 0.12, 0.135), (0.143, 0.256, 0.406, 0.574, 0.784)
"""Distances [m] by which the band was drawn back straight, and where the bar then came to rest."""


class Slingshot(Task):
    """A gripper holds the middle of a band and lets go after 0.8 s; a bar lies before it.

    Done: the middle of the bar is within 5 cm of the mark, 30 to 60 cm away. The cost [m] is that distance. Between the
    second decision and the end the gripper has nothing in its hand.
    """

    config: TaskConfig = field(
        static=True,
        default=TaskConfig(
            _BAND,
            0.31,
            ((_BAND // 2,),),
            (0, _BAND - 1),
            bend=1e-5,
            decisions=5,
            release=2,
            drag=0.5,
            stretch=10.0,
            substep=2e-4,
        ),
    )
    name: str = field(static=True, default="slingshot")
    goal_names: tuple[str, ...] = field(static=True, default=("x", "y"))
    total_vertices: int = field(static=True, default=_BAND + BAR_VERTICES)

    def begin(self, scenario: Scenario, key: PRNGKeyArray) -> Scene:
        """The mark lies within 2 degrees of straight ahead."""
        far_key, side_key = jax.random.split(key)
        far = jax.random.uniform(far_key, (), minval=0.3, maxval=0.6)
        side = jnp.deg2rad(jax.random.uniform(side_key, (), minval=-2.0, maxval=2.0))
        mark = far * jnp.stack([jnp.cos(side), jnp.sin(side)])
        across = jnp.linspace(-0.5, 0.5, _BAND) * _WIDE
        band = at_height(jnp.stack([jnp.zeros_like(across), across], -1), self.config.radius)
        along = (jnp.arange(BAR_VERTICES) - 0.5 * (BAR_VERTICES - 1)) * BAR_EDGE
        bar = at_height(jnp.stack([jnp.full_like(along, 0.02), along], -1), self.config.radius)
        heavy = 5.0 * self.config.line_density
        rod = together(rope(self.config, scenario, band), stiff(self.config, bar, heavy, 2e-4))
        position = jnp.concatenate([band, bar])
        low, high = jnp.array([-0.16, -0.1, self.config.radius]), jnp.array([0.0, 0.1, 0.05])
        return Scene(rod, at_rest(rod, position), table(self.config, scenario), mark, low, high)

    def cost(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """See the class."""
        return aside(self._middle(vertices)[None], goal)[0]

    def solved(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Bool[Array, ""]:
        """See the class."""
        return self.cost(vertices, goal) <= _WITHIN

    def marks(self, goal: Float[Array, " G"]) -> Float[Array, "M 3"]:
        """Where the bar is to come to rest."""
        return jnp.append(goal, _WITHIN)[None]

    def way(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, "P K 3"]:
        """The middle is drawn straight back, the further the mark is."""
        held = vertices[_BAND // 2]
        back = jnp.interp(goal[0], jnp.asarray(_REACHED), jnp.asarray(_PULLED)) * jnp.array([-1.0, 0.0, 0.0])
        return jnp.stack([held, held + 0.5 * back, held + back, held + back, held + back, held + back])[:, None]

    def _middle(self, vertices: Array) -> Array:
        return jnp.mean(vertices[_BAND:], 0)[:2]
