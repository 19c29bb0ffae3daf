"""A world in JAX as a `HostEnv`, so that a torch network, an ONNX file or a script can act in it."""

from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diorama.core.env import Env, HostEnv, Scenario, State
from diorama.core.module import filter_jit
from diorama.envs.adapters.host import check_actions, complete_scenario


class Hosting(NamedTuple):
    """N worlds: their states and keys in JAX, the number of the step, and what the last step showed [N, ...]."""

    state: State
    keys: Array
    step: np.uint32
    observation: dict[str, np.ndarray]
    reward: np.ndarray
    end: np.ndarray


@final
class Hosted(HostEnv):
    """An `Env` in N worlds at a time, one compiled ``vmap`` for each step.

    A seed starts where `diorama.evaluate.run_episodes` starts it for a policy in JAX. What is random on the way depends
    on the seed and the step alone, and is another draw than there.
    """

    rewindable = True

    def __init__(self, env: Env) -> None:
        self.env, self.spec = env, env.spec

    def reset(self, seeds: np.ndarray, scenario: Scenario) -> Hosting:
        """The first states of these seeds."""
        given = complete_scenario(self.spec.scenario, scenario, len(seeds))
        state, keys, seen, end = _start(self.env, np.asarray(seeds, np.uint32), given)
        return _hosting(state, keys, np.uint32(0), seen, np.zeros(len(seeds), np.float32), end)

    def step(self, state: Hosting, action: np.ndarray) -> Hosting:
        """One control period."""
        action = check_actions(self.spec.action, action)
        following, seen, reward, end = _step(self.env, state.state, jnp.asarray(action), state.keys, state.step)
        return _hosting(following, state.keys, state.step + np.uint32(1), seen, reward, end)

    def observe(self, state: Hosting) -> dict[str, np.ndarray]:
        """What the worlds show."""
        return state.observation

    def reward(self, state: Hosting, action: np.ndarray, next_state: Hosting) -> np.ndarray:
        """The rewards of the step that led to ``next_state``."""
        return next_state.reward

    def terminal(self, state: Hosting) -> np.ndarray:
        """Which worlds ended."""
        return state.end


def _hosting(state: State, keys: Array, step: np.uint32, seen: Any, reward: Any, end: Any) -> Hosting:
    return Hosting(state, keys, step, jax.tree.map(np.asarray, seen), np.asarray(reward), np.asarray(end))


@filter_jit
def _start(env: Env, seeds: Any, scenario: Scenario) -> tuple:
    def one(seed: Array, scenario: Scenario) -> tuple:
        reset_key, run_key = jax.random.split(jax.random.key(seed))
        state = env.reset(scenario, reset_key)
        return state, run_key, env.observe(state), env.terminal(state)

    return jax.vmap(one)(seeds, scenario)


@filter_jit
def _step(env: Env, states: State, actions: Array, keys: Array, step: Any) -> tuple:
    def one(state: State, action: Array, key: Array) -> tuple:
        following = env.step(state, action, jax.random.fold_in(key, step))
        return following, env.observe(following), env.reward(state, action, following), env.terminal(following)

    return jax.vmap(one)(states, actions, keys)
