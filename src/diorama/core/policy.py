"""`Policy` acts. A planner is a `Policy` too."""

import abc
from typing import Any

from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core.env import Observation
from diorama.core.module import Module
from diorama.core.spec import EnvSpec

Memory = Any


class Policy(Module):
    """Acts in one world; a batch is ``jax.vmap`` at the call. Actions are in the units and bounds of the spec."""

    @abc.abstractmethod
    def init(self, spec: EnvSpec) -> Memory:
        """The memory at the start of an episode (``None`` for a policy that has none)."""

    @abc.abstractmethod
    def act(self, memory: Memory, observation: Observation, key: PRNGKeyArray) -> tuple[Float[Array, " A"], Memory]:
        """The action for this observation, and the next memory."""
