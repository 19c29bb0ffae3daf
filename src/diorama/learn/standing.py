"""Imagined worlds that go on from one update to the next.

A policy that gets better sees other states than the data's first ones: worlds that go on show it what it does later in
an episode, such as the end game.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from diorama.core import Env, Module
from diorama.core.env import State


class Standing(Module):
    """Where N worlds stand: their states ``[N, ...]`` and how many steps old they are ``[N]``."""

    state: State
    steps: Int[Array, " N"]


def begin(env: Env, worlds: int, episode: int, key: PRNGKeyArray) -> Standing:
    """Worlds at their start, with ages as if begun at different times, so that not all of them end together."""
    reset_key, age_key = jax.random.split(key)
    return Standing(fresh_states(env, worlds, reset_key), jax.random.randint(age_key, (worlds,), 0, episode))


def fresh_states(env: Env, worlds: int, key: PRNGKeyArray) -> State:
    """The first states of so many new episodes, ``[N, ...]``."""
    default = env.spec.scenario.default()
    return jax.vmap(lambda k: env.reset(default, k))(jax.random.split(key, worlds))


def go_on(
    env: Env, standing: Standing, state: State, over: Bool[Array, " N"], taken: int, episode: int, key: PRNGKeyArray
) -> Standing:
    """The worlds after ``taken`` more steps, at ``state``: begun anew where they are over or too old."""
    steps = standing.steps + taken
    anew = over | (steps + taken > episode)
    states = jax.tree.map(
        lambda new, old: _choose(anew, new, old), fresh_states(env, anew.shape[0], key), jax.lax.stop_gradient(state)
    )
    return Standing(states, jnp.where(anew, 0, steps))


def _choose(mask: Array, new: Any, old: Any) -> Any:
    return jnp.where(mask.reshape(-1, *(1,) * (new.ndim - 1)), new, old)
