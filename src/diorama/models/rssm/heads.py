"""What the latent state says of the step that led to it: the reward, and whether the world ended."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from diorama.core import Module
from diorama.models.rssm.config import RSSMConfig
from diorama.nn.normed_mlp import NormedMLP
from diorama.nn.two_hot import TwoHot


class Heads(Module):
    """Reward as a symexp two-hot distribution, zero at first, and the end as a Bernoulli variable."""

    coding: TwoHot
    reward_network: NormedMLP
    end_network: NormedMLP

    def reward(self, features: Float[Array, " n"]) -> Float[Array, ""]:
        """The mean reward, in its own unit."""
        return self.coding.mean(self.reward_network(features))

    def end(self, features: Float[Array, " n"]) -> Float[Array, ""]:
        """The probability that the world ended."""
        return jax.nn.sigmoid(self.end_network(features)[0])

    def reward_error(self, features: Float[Array, " n"], reward: Float[Array, ""]) -> Float[Array, ""]:
        """The cross-entropy of the reward [nat]."""
        return self.coding.loss(self.reward_network(features), reward)

    def end_error(self, features: Float[Array, " n"], end: Bool[Array, ""]) -> Float[Array, ""]:
        """The cross-entropy of the end [nat]."""
        logit = self.end_network(features)[0]
        return jax.nn.softplus(logit) - logit * end.astype(jnp.float32)

    @staticmethod
    def build(rng: np.random.Generator, config: RSSMConfig) -> "Heads":
        """New heads."""
        coding, units = TwoHot(), config.widths.units
        reward = NormedMLP.build(rng, (config.features, units, coding.count), last_scale=0.0)
        return Heads(coding, reward, NormedMLP.build(rng, (config.features, units, 1)))
