"""The uniformly random policy: the baseline below every learned one."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import EnvSpec, Policy, field
from diorama.core.env import Observation
from diorama.policies.actor import bounds
from diorama.policies.config import RandomConfig


class RandomPolicy(Policy):
    """Each action independently uniform in the bounds of the spec."""

    spec: EnvSpec = field(static=True)

    def __check_init__(self) -> None:
        bounds(self.spec)

    @staticmethod
    def build(config: RandomConfig, spec: EnvSpec, seed: int) -> "RandomPolicy":
        """The policy for this spec. Raises `SpecError` for unbounded actions."""
        return RandomPolicy(spec)

    def init(self, spec: EnvSpec) -> None:
        """It has no memory."""

    def act(self, memory: None, observation: Observation, key: PRNGKeyArray) -> tuple[Float[Array, " A"], None]:
        """A uniform action; the observation is ignored."""
        low, high = (jnp.asarray(bound, jnp.float32) for bound in bounds(self.spec))
        return jax.random.uniform(key, low.shape, minval=low, maxval=high), None
