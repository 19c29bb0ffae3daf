"""Letters: a wire that stays bent is to be given the shape of a letter, and is judged when nothing holds its arms."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from diorama.core import field
from diorama.core.env import Scenario
from diorama.envs.rope.plasticity import Plasticity
from diorama.envs.rope.rod import at_rest
from diorama.envs.rope.tasks.config import TaskConfig
from diorama.envs.rope.tasks.geometry import along, apart, at_height, turned
from diorama.envs.rope.tasks.scenes import rope, table
from diorama.envs.rope.tasks.task import Scene, Task
from diorama.envs.rope.vectors import length

EDGE, ARM, BASE = 0.02, 9, 7
"""An edge [m], and how many of them each arm and the part in the vice have."""
_ALL = 2 * ARM + BASE + 1
TAUGHT = ((65.0, 65.0), (0.0, 90.0), (-125.0, 125.0))
"""C, L and Z: by how much the wire turns left at the first and at the second end of the vice [degrees]."""
UNSEEN = ((90.0, 90.0), (0.0, -130.0), (90.0, -90.0))
"""U, J and S."""
YIELD = 1.5
"""Elastic curvature at which the wire yields [1/m]."""
_WITHIN = 0.01
_OFF = 8.0
_SPRING, _FULL_SPRING = 0.1, 0.3
"""By how much an arm that is bent springs back [rad], from a bend of `_FULL_SPRING` on; in proportion below."""


class Letter(Task):
    """The middle of a straight wire is in a vice; a gripper holds each end, and lets go before the last two decisions.

    Done: on the floor plan the mean of the distances between the vertices of the wire and of the letter, each to the
    nearest of the other, both ways (the symmetric Chamfer distance), is at most 1 cm. The cost [m] is the mean
    distance of the vertices of the arms from their places in the letter.
    """

    letters: tuple[tuple[float, float], ...] = field(static=True, default=TAUGHT)
    config: TaskConfig = field(
        static=True,
        default=TaskConfig(
            _ALL,
            EDGE * (_ALL - 1),
            ((0,), (_ALL - 1,)),
            tuple(range(ARM, ARM + BASE + 1)),
            radius=0.004,
            bend=5e-3,
            stretch=100.0,
            substep=2e-4,
            decisions=12,
            release=10,
        ),
    )
    name: str = field(static=True, default="letter")
    goal_names: tuple[str, ...] = field(
        static=True, default=tuple(f"{axis}_{corner}" for corner in range(4) for axis in "xy")
    )
    total_vertices: int = field(static=True, default=_ALL)

    def begin(self, scenario: Scenario, key: PRNGKeyArray) -> Scene:
        """One of the letters, each arm up to 8 degrees off, turned by any angle."""
        which_key, off_key, turn_key = jax.random.split(key, 3)
        bends = jnp.asarray(self.letters)[jax.random.randint(which_key, (), 0, len(self.letters))]
        bends = bends + jax.random.uniform(off_key, (2,), minval=-_OFF, maxval=_OFF)
        turn = jax.random.uniform(turn_key, (), minval=-jnp.pi, maxval=jnp.pi)
        share = (jnp.arange(_ALL) - 0.5 * (_ALL - 1)) * EDGE
        radius = self.config.radius
        line = turned(at_height(jnp.stack([share, jnp.zeros_like(share)], -1), radius), turn)
        goal = turned(at_height(_corners(bends), radius), turn)[:, :2]
        rod = dataclasses.replace(
            rope(self.config, scenario, line), plasticity=Plasticity(jnp.asarray(YIELD), jnp.ones(()))
        )
        low, high = jnp.array([-0.35, -0.35, radius]), jnp.array([0.35, 0.35, 0.1])
        return Scene(rod, at_rest(rod, line), table(self.config, scenario), goal.ravel(), low, high)

    def cost(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, ""]:
        """See the class."""
        off = length(_flat(vertices) - _drawn(goal))
        return 0.5 * (jnp.mean(off[:ARM]) + jnp.mean(off[-ARM:]))

    def solved(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Bool[Array, ""]:
        """See the class."""
        between = apart(_flat(vertices), _drawn(goal))
        return 0.5 * (jnp.mean(jnp.min(between, 0)) + jnp.mean(jnp.min(between, 1))) <= _WITHIN

    def marks(self, goal: Float[Array, " G"]) -> Float[Array, "M 3"]:
        """Dots along the letter."""
        dots = _drawn(goal)[:, :2]
        return jnp.concatenate([dots, jnp.full((len(dots), 1), 0.5 * self.config.radius)], -1)

    def way(self, vertices: Float[Array, "V 3"], goal: Float[Array, " G"]) -> Float[Array, "P K 3"]:
        """Each end goes round the near end of the vice, a little too far, since the wire springs back."""
        corners = goal.reshape(4, 2)
        share = jnp.minimum(jnp.linspace(0.0, 1.2, self.config.decisions + 1), 1.0)
        first = _round(vertices[ARM], vertices[0], corners[0], share)
        return jnp.stack([first, _round(vertices[-ARM - 1], vertices[-1], corners[3], share)], 1)


def _round(root: Array, end: Array, aim: Array, share: Array) -> Float[Array, "P 3"]:
    """Places of the end of an arm that is bent about its root, until it points at ``aim`` when it has sprung back."""
    arm, wanted = end - root, aim - root[:2]
    bend = jnp.arctan2(arm[0] * wanted[1] - arm[1] * wanted[0], jnp.sum(arm[:2] * wanted))
    bend = bend + _SPRING * jnp.clip(bend / _FULL_SPRING, -1.0, 1.0)
    return root[None] + jax.vmap(lambda angle: turned(arm[None], angle)[0])(share * bend)


def _corners(bends: Array) -> Float[Array, "4 2"]:
    """The ends of the first arm, of the base, and of the second arm [m], for bends [degrees]."""
    half, arm = 0.5 * BASE * EDGE, ARM * EDGE
    cosine, sine = jnp.cos(jnp.deg2rad(bends)), jnp.sin(jnp.deg2rad(bends))
    first = jnp.stack([-half - arm * cosine[0], arm * sine[0]])
    second = jnp.stack([half + arm * cosine[1], arm * sine[1]])
    return jnp.stack([first, jnp.array([-half, 0.0]), jnp.array([half, 0.0]), second])


def _drawn(goal: Array) -> Float[Array, "V 3"]:
    """The letter's vertices, at height 0."""
    return along(at_height(goal.reshape(4, 2), 0.0), _ALL)


def _flat(vertices: Array) -> Array:
    return vertices * jnp.array([[1.0, 1.0, 0.0]])
