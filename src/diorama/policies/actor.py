"""A reactive stochastic actor, and the critic that goes with it: multi-layer perceptrons on vector observations."""

import abc
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import EnvSpec, Module, Policy, SpecError, field, tree_at
from diorama.core.env import Observation
from diorama.nn import MLP, Features, Layout, SquashedNormal, layer_norm, soft_clip
from diorama.policies.config import ActorConfig

LOG_STD = (-4.0, 0.5)


class Choice(Module):
    """How an action is taken from a distribution."""

    @abc.abstractmethod
    def __call__(self, distribution: SquashedNormal, key: PRNGKeyArray) -> Float[Array, " A"]:
        """The action."""


class Sampled(Choice):
    """A reparametrised sample: for training."""

    def __call__(self, distribution: SquashedNormal, key: PRNGKeyArray) -> Float[Array, " A"]:
        """The sample."""
        return distribution.sample(key)[0]


class Likeliest(Choice):
    """The squashed mean: for evaluation."""

    def __call__(self, distribution: SquashedNormal, key: PRNGKeyArray) -> Float[Array, " A"]:
        """The squashed mean."""
        return distribution.mode()


class Actor(Policy):
    """Maps the present observation to a squashed normal, so that every action lies inside the bounds of the spec.

    The standard deviation depends on the state, in SAPO's manner (arXiv 2412.12089). It has no memory.
    """

    features: Features
    network: MLP
    choose: Choice
    low: tuple[float, ...] = field(static=True)
    high: tuple[float, ...] = field(static=True)
    offset: float = field(static=True)

    @staticmethod
    def build(config: ActorConfig, spec: EnvSpec, seed: int) -> "Actor":
        """An untrained actor that takes its likeliest action (learners sample).

        Raises `SpecError` for unbounded actions and observations that are not vectors.
        """
        low, high = bounds(spec)
        features = Features.build(Layout.of(spec, owner="The actor"), config.frame)
        rng = np.random.default_rng(seed)
        network = MLP.build(
            rng, (features.size, *config.hidden, 2 * spec.action.size), between=layer_norm, last_gain=0.1
        )
        offset = float(np.log(config.noise))
        return Actor(features, network, Likeliest(), tuple(low.tolist()), tuple(high.tolist()), offset)

    def init(self, spec: EnvSpec) -> None:
        """It has no memory."""

    def act(self, memory: None, observation: Observation, key: PRNGKeyArray) -> tuple[Float[Array, " A"], None]:
        """The chosen action."""
        return self.choose(self.distribution(observation), key), None

    def distribution(self, observation: Observation) -> SquashedNormal:
        """The distribution of the action."""
        mean, log_std = jnp.split(self.network(self.features(observation)), 2)
        log_std = soft_clip(log_std + self.offset, *LOG_STD)
        return SquashedNormal(mean, log_std, jnp.array(self.low), jnp.array(self.high))

    def measured(self, observation: Mapping[str, Any]) -> "Actor":
        """The same actor with its normaliser's statistics from real observations ``[N, ...]`` by name."""
        return tree_at(lambda a: a.features, self, measure(self.features, observation))

    def choosing(self, choose: Choice) -> "Actor":
        """The same actor with another way to take its action: `Sampled` to explore, `Likeliest` to perform."""
        return tree_at(lambda a: a.choose, self, choose)


class Critic(Module):
    """The discounted return to be expected from an observation, in the unit of the reward."""

    features: Features
    network: MLP

    @staticmethod
    def build(config: ActorConfig, spec: EnvSpec, seed: int) -> "Critic":
        """An untrained critic of the actor's size."""
        features = Features.build(Layout.of(spec, owner="The critic"), config.frame)
        rng = np.random.default_rng(seed)
        network = MLP.build(rng, (features.size, *config.hidden, 1), between=layer_norm, last_gain=0.1)
        return Critic(features, network)

    def __call__(self, observation: Observation) -> Float[Array, ""]:
        """The value of one observation."""
        return self.network(self.features(observation))[0]

    def measured(self, observation: Mapping[str, Any]) -> "Critic":
        """The same critic with its normaliser's statistics from real observations ``[N, ...]`` by name."""
        return tree_at(lambda c: c.features, self, measure(self.features, observation))


def measure(features: Features, observation: Mapping[str, Any]) -> Features:
    """Features with the statistics of real observations ``[N, ...]`` by name."""
    return features.measured(features.layout.flatten(observation))


def bounds(spec: EnvSpec) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of a vector action, float64 ``[A]``. Raises `SpecError` where one is infinite or it is no vector."""
    if len(spec.action.shape) != 1 or not spec.action.bounded:
        raise SpecError(
            f"The action of {spec.name!r} must be a vector with finite bounds; set low and high in its spec."
        )
    return spec.action.bounds()
