"""A learned world as a `HostEnv` that starts where another world starts, so that evaluations are paired by seed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from diorama.core import Env, EnvSpec, HostEnv, WorldModel, filter_jit
from diorama.core.env import Scenario

Seen = dict[str, np.ndarray]
_WORLD_STREAM = 0x776F726C


@dataclass(frozen=True)
class Rules:
    """What a task says of observations ``[N, ...]``, in any world: the reward of a step, and whether the world ended.

    ``reward(scenario, before, action, after) -> [N]``, ``ended(scenario, after) -> [N] bool``.
    """

    reward: Callable[[Scenario, Seen, np.ndarray, Seen], np.ndarray]
    ended: Callable[[Scenario, Seen], np.ndarray]


class Imagining(NamedTuple):
    """N imagined worlds: beliefs and keys in JAX, what they show, and what the model itself says of the last step.

    ``broken``: where the model said something that is not finite; such a world shows what it showed before, and ends.
    ``spread`` [N]: see `Prediction`.
    """

    belief: Any
    keys: Any
    step: np.uint32
    observation: Seen
    reward: np.ndarray
    end: np.ndarray
    spread: np.ndarray
    broken: np.ndarray
    scenario: Scenario


@final
class HostImagined(HostEnv):
    """A `WorldModel` in N worlds at a time. The world of a seed starts from what ``origin`` shows first of that seed.

    The scenario goes to ``origin``, which starts accordingly; a learned world cannot be told more of it. ``rules``: the
    task's own, on imagined observations; without them the model's heads say reward and end (beyond ``threshold``).
    What is random in the model depends on the seed and the step alone.
    """

    rewindable = True

    def __init__(
        self,
        model: WorldModel,
        origin: Env | HostEnv,
        rules: Rules | None = None,
        *,
        threshold: float = 0.5,
        name: str | None = None,
    ) -> None:
        self.model, self.origin, self.rules, self.threshold = model, origin, rules, threshold
        spec = model.spec
        self.spec = EnvSpec(
            name or f"imagined {spec.name}", spec.observation, spec.action, spec.control_period, origin.spec.scenario
        )

    def reset(self, seeds: np.ndarray, scenario: Scenario) -> Imagining:
        """The beliefs after the first observations of ``origin``."""
        return self.begin(first_observations(self.origin, seeds, scenario), seeds, scenario)

    def begin(self, observation: Seen, seeds: np.ndarray, scenario: Scenario) -> Imagining:
        """The beliefs after these real first observations [N, ...]."""
        shown = {name: np.asarray(observation[name]) for name in self.spec.observation}
        keys, belief, said = _start(self.model, shown, np.asarray(seeds, np.uint32))
        nothing = np.zeros(len(seeds))
        given = {name: np.asarray(value) for name, value in scenario.items()}
        spread, end = np.asarray(said[3], np.float64), np.zeros(len(seeds), bool)
        return Imagining(belief, keys, np.uint32(0), shown, nothing, end, spread, end, given)

    def step(self, state: Imagining, action: np.ndarray) -> Imagining:
        """Imagine one step."""
        belief, said = _step(self.model, state.belief, jnp.asarray(action), state.keys, state.step)
        seen, reward, end, spread = jax.tree.map(np.asarray, said)
        broken = state.broken | ~_finite(seen)
        shown = {name: _where(broken, state.observation[name], array) for name, array in seen.items()}
        reward = np.nan_to_num(np.asarray(reward, np.float64))
        if self.rules is not None:
            reward = self.rules.reward(state.scenario, state.observation, action, shown)
        ended = end > self.threshold if self.rules is None else self.rules.ended(state.scenario, shown)
        spread = np.asarray(spread, np.float64)
        return Imagining(
            belief, state.keys, state.step + np.uint32(1), shown, reward, ended, spread, broken, state.scenario
        )

    def observe(self, state: Imagining) -> Seen:
        """What is imagined."""
        return state.observation

    def reward(self, state: Imagining, action: np.ndarray, next_state: Imagining) -> np.ndarray:
        """By the rules, or by the model's head."""
        return np.asarray(next_state.reward, np.float32)

    def terminal(self, state: Imagining) -> np.ndarray:
        """By the rules, or by the model's head; or the model broke down."""
        return np.asarray(state.end | state.broken)


def first_observations(env: Env | HostEnv, seeds: np.ndarray, scenario: Scenario) -> Seen:
    """What a world of either kind shows first of each seed [N, ...], as an evaluation in it would start."""
    if isinstance(env, HostEnv):
        return env.observe(env.reset(np.asarray(seeds, np.int64), scenario))
    given = {name: jnp.asarray(value) for name, value in scenario.items()}
    return jax.tree.map(np.asarray, _first(env, np.asarray(seeds, np.uint32), given))


def _finite(seen: Seen) -> np.ndarray:
    """Whether everything that a world shows is finite, [N]."""
    each = [np.isfinite(array).reshape(len(array), -1).all(axis=1) for array in seen.values()]
    return np.logical_and.reduce(each)


def _where(rows: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    return np.where(rows.reshape(-1, *(1,) * (new.ndim - 1)), old, new).astype(old.dtype)


def _said(model: WorldModel, belief: Any) -> tuple:
    read = model.read(belief)
    return read.observation, read.reward, read.end, read.spread


@filter_jit
def _first(env: Env, seeds: Array, scenario: Scenario) -> Any:
    def one(seed: Array, scenario: Scenario) -> Any:
        # The key is that of `diorama.evaluate.run_episodes`.
        return env.observe(env.reset(scenario, jax.random.split(jax.random.key(seed))[0]))

    return jax.vmap(one)(seeds, scenario)


@filter_jit
def _start(model: WorldModel, observation: Any, seeds: Array) -> tuple:
    def one(observation: Any, seed: Array) -> tuple:
        key = jax.random.fold_in(jax.random.key(seed), _WORLD_STREAM)
        belief = model.start(observation, key)
        return key, belief, _said(model, belief)

    return jax.vmap(one)(observation, seeds)


@filter_jit
def _step(model: WorldModel, belief: Any, action: Array, keys: Array, step: Array) -> tuple:
    def one(belief: Any, action: Array, key: Array) -> tuple:
        following = model.step(belief, action, jax.random.fold_in(key, step + 1))
        return following, _said(model, following)

    return jax.vmap(one)(belief, action, keys)
