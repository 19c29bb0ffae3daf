"""Wiring: a cable that is plugged in at one end is to be laid past two posts, on other sides of them, to a socket."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import field
from diorama.core.env import Scenario
from diorama.envs.rope.rod import at_rest
from diorama.envs.rope.tasks.config import TaskConfig
from diorama.envs.rope.tasks.geometry import aside, at_height, swept
from diorama.envs.rope.tasks.scenes import post, rope, table
from diorama.envs.rope.tasks.task import Scene, Task

POST_RADIUS, POST_HEIGHT = 0.02, 0.08
_SIDES = (-1.0, 1.0)
"""The first post is passed with the view from it turning clockwise, the second counter-clockwise."""
_TURN, _NEAR, _FLAT = 1.5, 0.03, 0.06
_ANGLE_WEIGHT = 0.1


class Wiring(Task):
    """The cable lies to one side of both posts. Its end must go between them and around the second to the socket.

    Done: the end is within 3 cm of the socket on the floor plan, the view from each post along the cable turns by at
    least 1.5 rad to the right side, and no vertex is higher than 6 cm, below the tops of the posts. The cost [m] is the
    distance of the end from the socket, plus 0.1 m for each rad that a post's view lacks of 2, plus the mean height
    above 6 cm.
    """

    config: TaskConfig = field(static=True, default=TaskConfig(31, 0.6, ((30,),), (0, 1), self_contact=False))
    name: str = field(static=True, default="wiring-post")
    goal_names: tuple[str, ...] = field(
        static=True, default=("first_x", "first_y", "second_x", "second_y", "socket_x", "socket_y")
    )
    total_vertices: int = field(static=True, default=31)

    def begin(self, scenario: Scenario, key: PRNGKeyArray) -> Scene:
        """Posts and socket are moved by up to 2 cm; the cable lies at 50 to 70 degrees to their line."""
        turn_key, goal_key = jax.random.split(key)
        angle = jnp.deg2rad(jax.random.uniform(turn_key, (), minval=50.0, maxval=70.0))
        moved = jax.random.uniform(goal_key, (3, 2), minval=-0.02, maxval=0.02)
        places = jnp.array([[0.17, 0.0], [0.34, 0.0], [0.48, 0.04]]) + moved
        share = jnp.linspace(0.0, self.config.length, self.config.vertices)
        line = share[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)])[None]
        position = at_height(line, self.config.radius)
        rod = rope(self.config, scenario, position)
        around = table(self.config, scenario, *(post(place, POST_HEIGHT, POST_RADIUS) for place in places[:2]))
        low, high = jnp.array([-0.2, -0.4, self.config.radius]), jnp.array([0.7, 0.6, 0.3])
        return Scene(rod, at_rest(rod, position), around, places.ravel(), low, high)

    def cost(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """See the class."""
        lacks = sum(jnp.maximum(2.0 - turn, 0.0) for turn in self._turns(vertices, goal))
        high = jnp.mean(jnp.maximum(vertices[:, 2] - _FLAT, 0.0))
        return aside(vertices[-1:, :2], goal[4:])[0] + _ANGLE_WEIGHT * lacks + high

    def solved(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Bool[Array, ""]:
        """See the class."""
        around = jnp.stack(self._turns(vertices, goal)) >= _TURN
        near = aside(vertices[-1:, :2], goal[4:])[0] <= _NEAR
        return jnp.all(around) & near & jnp.all(vertices[:, 2] <= _FLAT)

    def marks(self, goal: Float[Array, " G"]) -> Float[Array, "M 3"]:
        """The socket."""
        return jnp.append(goal[4:], _NEAR)[None]

    def way(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, "P K 3"]:
        """Beside the posts, between them, around the second."""
        first, second, socket = goal.reshape(3, 2)
        middle = 0.5 * (first + second)
        asides = jnp.array([[0.0, 0.28], [0.0, 0.1], [0.0, -0.1], [0.08, -0.2]])
        beyond = (second + jnp.array([0.09, -0.12]))[None]
        places = jnp.concatenate([middle[None] + asides, beyond, socket[None], socket[None]])
        return jnp.concatenate([vertices[-1][None], at_height(places, 0.02)])[:, None]

    def _turns(self, vertices: Array, goal: Array) -> list[Array]:
        centres = (goal[:2], goal[2:4])
        return [side * swept(vertices[:, :2], centre) for side, centre in zip(_SIDES, centres, strict=True)]
