"""A world model seen as an environment, and an environment seen as a world model."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from diorama.core import Env, EnvSpec, Metrics, Module, Prediction, Window, WorldModel, field
from diorama.core.env import Observation, Scenario, State
from diorama.core.world_model import Belief
from diorama.imagine.gradient import Reward

VECTORS, PICTURES = 4096, 256
"""Starts are padded to multiples of this: rows of vectors, and of pictures, which are larger."""


class LearnedReward(Module):
    """The reward that the model's own head predicts."""

    def __call__(self, before: Prediction, action: Float[Array, " A"], after: Prediction) -> Float[Array, ""]:
        """``after.reward``, the predicted reward of the step that led there."""
        return after.reward


class AnalyticReward(Module):
    """A reward computed from the predicted observations: ``function(observation, action, next_observation)``."""

    function: Reward = field(static=True)

    def __call__(self, before: Prediction, action: Float[Array, " A"], after: Prediction) -> Float[Array, ""]:
        """The function's value on what the model predicts to be seen."""
        return self.function(before.observation, action, after.observation)


class Imagined(Env):
    """A learned world as an `Env`: its state is the model's belief, and it starts from real first observations.

    ``rows`` holds real observations ``[M, ...]`` by name, of which the first ``count`` are meant (see `as_env`);
    ``reset`` draws one of them. The scenario space is empty, because a learned world cannot be told its factors of
    variation.
    """

    spec: EnvSpec = field(static=True)
    model: WorldModel
    rows: Observation
    count: Int[Array, ""]
    rewarded: LearnedReward | AnalyticReward
    threshold: float = field(static=True)

    def reset(self, scenario: Scenario, key: PRNGKeyArray) -> State:
        """The belief after one of the real first observations, drawn uniformly."""
        draw_key, start_key = jax.random.split(key)
        index = jax.random.randint(draw_key, (), 0, self.count)
        return self.model.start(jax.tree.map(lambda a: a[index], self.rows), start_key)

    @property
    def starts(self) -> Observation:
        """The real observations ``[N, ...]`` to start from; not inside of a compiled program."""
        return {name: values[: int(self.count)] for name, values in self.rows.items()}

    def step(self, state: State, action: Float[Array, " A"], key: PRNGKeyArray) -> State:
        """Imagine one step."""
        return self.model.step(state, action, key)

    def observe(self, state: State) -> Observation:
        """The predicted observation."""
        return self.model.read(state).observation

    def reward(self, state: State, action: Float[Array, " A"], next_state: State) -> Float[Array, ""]:
        """The learned or the analytic reward, see ``rewarded``."""
        return self.rewarded(self.model.read(state), action, self.model.read(next_state))

    def terminal(self, state: State) -> Bool[Array, ""]:
        """Whether the predicted probability of the end exceeds the threshold."""
        return self.model.read(state).end > self.threshold


def as_env(
    model: WorldModel,
    starts: Mapping[str, Any],
    *,
    reward: Reward | None = None,
    threshold: float = 0.5,
) -> Imagined:
    """Hand out a world model as an environment.

    ``starts``: real observations ``[N, ...]`` by name to start from, NumPy or JAX arrays. ``reward``: an analytic
    reward of ``(observation, action, next_observation)``; without it the model's reward head is used.

    NumPy arrays are padded to a few sizes, so that a program that was compiled for one dataset serves also when some
    more episodes were added.
    """
    spec = EnvSpec(f"imagined {model.spec.name}", model.spec.observation, model.spec.action, model.spec.control_period)
    rewarded = AnalyticReward(reward) if reward else LearnedReward()
    count = len(next(iter(starts.values())))
    rows = {name: _padded(starts[name]) for name in model.spec.observation}
    return Imagined(spec, model, rows, jnp.asarray(count), rewarded, threshold)


def _padded(values: Any) -> Array:
    """Rows ``[N, ...]`` with zeros up to a multiple of `VECTORS`, or of `PICTURES`; JAX arrays as they are."""
    if not isinstance(values, np.ndarray):
        return jnp.asarray(values)
    piece = VECTORS if values.ndim <= 2 else PICTURES
    more = -len(values) % piece
    return jnp.asarray(np.concatenate([values, np.zeros((more, *values.shape[1:]), values.dtype)]))


class Exact(WorldModel):
    """A fully observed `Env` seen as a perfect world model: its belief is the state and the last reward.

    ``invert`` maps an observation to the state. It is the reference for gradient tests and a baseline for planners.
    """

    spec: EnvSpec = field(static=True)
    env: Env
    invert: Callable[[Observation], State] = field(static=True)

    def start(self, observation: Observation, key: PRNGKeyArray) -> Belief:
        """The state that the observation shows, with no reward yet."""
        return self.invert(observation), jnp.zeros(())

    def step(self, belief: Belief, action: Float[Array, " A"], key: PRNGKeyArray) -> Belief:
        """One step of the environment."""
        state, _ = belief
        following = self.env.step(state, action, key)
        return following, self.env.reward(state, action, following)

    def update(self, belief: Belief, action: Float[Array, " A"], observation: Observation, key: PRNGKeyArray) -> Belief:
        """The state that the new observation shows, with the reward of getting there."""
        following = self.invert(observation)
        return following, self.env.reward(belief[0], action, following)

    def infer(self, window: Window, key: PRNGKeyArray) -> Belief:
        """The state at the last observation of the window."""
        last = jax.tree.map(lambda a: a[-1], window.observation)
        return self.invert(last), window.reward[-1]

    def read(self, belief: Belief) -> Prediction:
        """What the environment shows of the state; no spread."""
        state, reward = belief
        end = self.env.terminal(state).astype(jnp.float32)
        return Prediction(self.env.observe(state), reward, end, jnp.zeros(()))

    def loss(self, window: Window, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
        """Mean squared one-step error over the window (0 when the environment made it and is deterministic)."""
        error = jax.vmap(self._error)(
            _before(window), window.action, _after(window), jax.random.split(key, window.length)
        )
        mean = jnp.sum(error * window.mask) / jnp.maximum(window.mask.sum(), 1)
        return mean, {"one_step_mse": mean}

    def _error(self, before: Observation, action: Array, after: Observation, key: PRNGKeyArray) -> Float[Array, ""]:
        predicted = self.env.observe(self.env.step(self.invert(before), action, key))
        return jnp.stack([jnp.mean((predicted[name] - after[name]) ** 2) for name in predicted]).mean()


def _before(window: Window) -> Observation:
    return jax.tree.map(lambda a: a[:-1], window.observation)


def _after(window: Window) -> Observation:
    return jax.tree.map(lambda a: a[1:], window.observation)
