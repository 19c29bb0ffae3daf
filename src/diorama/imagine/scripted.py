"""A sequence of actions seen as a policy."""

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import EnvSpec, Policy
from diorama.core.env import Observation


class Scripted(Policy):
    """Plays a given sequence of actions ``[T, A]``, whatever it sees. Its memory is the step."""

    actions: Float[Array, "T A"]

    def init(self, spec: EnvSpec) -> Array:
        """Step 0."""
        return jnp.zeros((), jnp.int32)

    def act(self, memory: Array, observation: Observation, key: PRNGKeyArray) -> tuple[Float[Array, " A"], Array]:
        """The next action of the sequence."""
        return self.actions[memory], memory + 1
