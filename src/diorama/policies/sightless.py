"""A policy that is shown grey pictures: what is left of its score is what it does without looking."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import EnvSpec, HostPolicy, Policy, field
from diorama.core.env import Observation
from diorama.core.policy import Memory

GREY = 128
"""What every channel of every pixel shows."""


def sightless(policy: Policy | HostPolicy, pictures: tuple[str, ...]) -> Policy | HostPolicy:
    """``policy`` with the observations of these names grey, in a world in JAX or on the host as it was.

    The floor "blind policy" of an audit without training anew: a lower bar than a blind policy that was trained so.
    """
    if isinstance(policy, HostPolicy):
        return _HostSightless(policy, pictures)
    return _Sightless(policy, pictures)


class _Sightless(Policy):
    policy: Policy
    pictures: tuple[str, ...] = field(static=True)

    def init(self, spec: EnvSpec) -> Memory:
        return self.policy.init(spec)

    def act(self, memory: Memory, observation: Observation, key: PRNGKeyArray) -> tuple[Float[Array, " A"], Memory]:
        grey = {name: jnp.full_like(observation[name], GREY) for name in self.pictures}
        return self.policy.act(memory, {**observation, **grey}, key)


class _HostSightless(HostPolicy):
    def __init__(self, policy: HostPolicy, pictures: tuple[str, ...]) -> None:
        self._policy, self._pictures = policy, pictures

    def init(self, spec: EnvSpec, seeds: np.ndarray) -> Memory:
        return self._policy.init(spec, seeds)

    def act(self, memory: Memory, observation: dict[str, Any]) -> tuple[np.ndarray, Memory]:
        grey = {name: np.full_like(observation[name], GREY) for name in self._pictures}
        return self._policy.act(memory, {**observation, **grey})
