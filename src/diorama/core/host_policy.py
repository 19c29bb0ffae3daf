"""The host side of acting: policies on NumPy arrays, a core `Policy` driven from Python, worlds with a time limit."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from diorama.core.env import HostEnv, State
from diorama.core.module import filter_jit
from diorama.core.policy import Memory, Policy
from diorama.core.spec import EnvSpec

# Keeps a policy's noise apart from a world that is seeded with the same number.
_POLICY_STREAM = 0x706F6C


class HostPolicy(abc.ABC):
    """Acts in N worlds at a time on NumPy arrays: a network of another framework, a person, a script.

    The counterpart of `HostEnv`. An action must depend only on the seed and on what was observed, never on the batch
    size or on the order of the worlds; ``diorama.policies.check.check_policy`` tests it.
    """

    @abc.abstractmethod
    def init(self, spec: EnvSpec, seeds: np.ndarray) -> Memory:
        """The memory of ``len(seeds)`` worlds at the start of their episodes; all randomness comes from the seeds."""

    @abc.abstractmethod
    def act(self, memory: Memory, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, Memory]:
        """Actions [N, A] in the units and bounds of the spec for observations [N, ...], and the next memory."""


class TruncatingHostEnv(HostEnv):
    """A `HostEnv` whose worlds may run out of time of their own accord, as under Gymnasium's ``TimeLimit``."""

    @abc.abstractmethod
    def truncated(self, state: State) -> np.ndarray:
        """Whether each world stopped without having ended, [N] bool. Its observation repeats from then on."""


class JittedPolicy(HostPolicy):
    """A core `Policy` in N host worlds: one compiled ``vmap(act)``, one key for each episode, derived from its seed.

    The key of step t of the episode of seed s depends on s and t alone, so batch size and order change no draw. Matrix
    products may round in their last bit by batch size.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def init(self, spec: EnvSpec, seeds: np.ndarray) -> Memory:
        """N copies of the policy's memory, the keys [N] and the step number 0."""
        count = len(seeds)
        memory = jax.tree.map(
            lambda leaf: jnp.broadcast_to(jnp.asarray(leaf), (count, *jnp.shape(leaf))), self.policy.init(spec)
        )
        return memory, _episode_keys(seeds), np.uint32(0)

    def act(self, memory: Memory, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, Memory]:
        """See `HostPolicy.act`."""
        held, keys, step = memory
        action, held = _act(self.policy, held, observation, keys, step)
        return np.asarray(action), (held, keys, step + np.uint32(1))


def as_host_policy(policy: Policy | HostPolicy) -> HostPolicy:
    """``policy`` itself where it already acts on the host, else a `JittedPolicy` of it."""
    return policy if isinstance(policy, HostPolicy) else JittedPolicy(policy)


@filter_jit
def _act(policy: Policy, memory: Memory, observation: dict[str, Any], keys: Any, step: Any) -> tuple[Any, Memory]:
    keys = jax.vmap(lambda key: jax.random.fold_in(key, step))(keys)
    return jax.vmap(policy.act)(memory, observation, keys)


def _episode_keys(seeds: np.ndarray) -> Any:
    """One key for each seed, from both 32-bit words of it."""
    words = np.asarray(seeds).astype(np.uint64)
    low, high = (words & np.uint64(0xFFFFFFFF)).astype(np.uint32), (words >> np.uint64(32)).astype(np.uint32)

    def key(low: Any, high: Any) -> Any:
        return jax.random.fold_in(jax.random.fold_in(jax.random.key(low), high), _POLICY_STREAM)

    return jax.vmap(key)(low, high)
