"""A dense, differentiable reward for Push-T, computed from what is observed; for training inside a learned world.

It is not the score: reality is always scored by coverage. It reads the observation ``features`` (agent position and
velocity, block position, cosine and sine of the block's angle; pixels) or, in batches, anything that is laid out so.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module, field, filter_jit
from diorama.core.env import Observation
from diorama.envs.pusht.geometry import DEFAULT_GOAL, DEFAULT_SCALE, UNIT_CENTRE, keypoints

NEAR = 20.0
"""Mean distance of the corners [px] over which the bonus for being in place falls to a third."""
IN_PLACE = 5.0
"""Mean distance of the corners [px] over which the bonus for the last millimetres falls to a third."""
ACROSS = 100.0
"""Unit of the distances in the reward [px]."""


class PushTReward(Module):
    """What being close, being in place and being at the block are worth, per step.

    ``-distance / 100 px + bonus * exp(-(distance / 20 px)^2) + fine * exp(-distance / 5 px)
    - reach * (agent to block) / 100 px``.

    ``distance`` is the mean distance of the block's eight corners from where they are in the goal [px]: it joins
    position and angle in one length. The fine term has a slope up to the end, where the other bonus is flat. The
    agent's share is small and only counts beyond the block's reach.
    """

    goal: tuple[float, float, float] = field(static=True, default=DEFAULT_GOAL)
    bonus: float = field(static=True, default=3.0)
    fine: float = field(static=True, default=3.0)
    reach: float = field(static=True, default=0.1)

    def __call__(
        self, observation: Observation, action: Float[Array, " A"], following: Observation
    ) -> Float[Array, ""]:
        """The reward of arriving at ``following``."""
        seen = following["features"]
        distance = corner_distance(seen, self.goal)
        centre = _place(jnp.asarray([UNIT_CENTRE], jnp.float32) * DEFAULT_SCALE, seen)[0]
        apart = _norm(seen[:2] - centre)
        bonus = self.bonus * jnp.exp(-((distance / NEAR) ** 2)) + self.fine * jnp.exp(-distance / IN_PLACE)
        return bonus - distance / ACROSS - self.reach * jnp.maximum(apart - 60.0, 0.0) / ACROSS


@filter_jit
def rewards(features: Float[Array, "N 8"] | np.ndarray) -> Float[Array, " N"]:
    """`PushTReward` of arriving at each of N rows of ``features``."""
    return jax.vmap(lambda row: PushTReward()({}, jnp.zeros(2), {"features": row}))(features)


def corner_distance(features: Float[Array, " 8"], goal: tuple[float, float, float] = DEFAULT_GOAL) -> Float[Array, ""]:
    """The mean distance of the block's corners from those of the goal [px]."""
    local = jnp.asarray(keypoints(np.zeros(2), np.zeros(())), jnp.float32)
    wanted = jnp.asarray(keypoints(np.array(goal[:2]), np.array(goal[2])), jnp.float32)
    return jnp.mean(_norm(_place(local, features) - wanted))


def _place(points: Float[Array, "K 2"], features: Float[Array, " 8"]) -> Float[Array, "K 2"]:
    cosine, sine = features[6], features[7]
    turn = jnp.array([[cosine, sine], [-sine, cosine]])
    return points @ turn + features[None, 4:6]


def _norm(vector: Float[Array, "*B 2"]) -> Float[Array, "*B"]:
    """The length, with a finite gradient at zero."""
    return jnp.sqrt(jnp.sum(vector**2, axis=-1) + 1e-4)
