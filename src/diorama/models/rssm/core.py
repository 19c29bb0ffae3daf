"""The recurrent core: a block GRU, and categorical variables that it predicts and that observations correct.

Source: DreamerV3 (arXiv 2301.04104), equation 3 and appendix B.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Module, field
from diorama.models.rssm.config import BLOCKS, VARIABLES, RSSMConfig
from diorama.nn.block_gru import BlockGRU
from diorama.nn.categorical import Categorical
from diorama.nn.mlp import Linear
from diorama.nn.normed_mlp import Dense, NormedMLP, linear
from diorama.nn.rms_norm import RMSNorm


class Latent(Module):
    """The belief: recurrent state, one-hot sample of the variables, and their distribution.

    After ``step`` the distribution is the prior, after ``start``, ``update`` and ``infer`` it is the posterior.
    """

    state: Float[Array, "*T D"]
    sample: Float[Array, "*T N K"]
    variables: Categorical

    @property
    def features(self) -> Float[Array, " n"]:
        """What heads and decoders see: recurrent state and sample side by side."""
        return jnp.concatenate([self.state, self.sample.reshape(-1)])


class Core(Module):
    """Moves the latent state by an action, predicts its variables, and infers them from an observation's tokens.

    The posterior's first layer is linear in recurrent state and tokens; `look` is the tokens' part of it, so that it
    can be computed for all times at once, outside of the scan.
    """

    unimix: float = field(static=True)
    of_state: Dense
    of_sample: Dense
    of_action: Dense
    recurrence: BlockGRU
    prior_network: NormedMLP
    look: Linear
    posterior_state: Linear
    posterior_norm: RMSNorm
    posterior_last: Linear

    def empty(self) -> Latent:
        """The state before anything was seen: zeros."""
        zeros = jnp.zeros(self._shape)
        return Latent(jnp.zeros_like(self.recurrence.norm.scale), zeros, Categorical.of(zeros, self.unimix))

    def advance(self, latent: Latent, action: Float[Array, " A"]) -> Float[Array, " D"]:
        """The recurrent state one step later. Entries of the action beyond 1 are scaled down to 1."""
        action = action / jax.lax.stop_gradient(jnp.maximum(1.0, jnp.abs(action)))
        inputs = (self.of_state(latent.state), self.of_sample(latent.sample.reshape(-1)), self.of_action(action))
        return self.recurrence(latent.state, jnp.concatenate(inputs))

    def prior(self, state: Float[Array, " D"]) -> Categorical:
        """The variables as predicted from the recurrent state."""
        return self._variables(self.prior_network(state))

    def posterior(self, state: Float[Array, " D"], look: Float[Array, " n"]) -> Categorical:
        """The variables after a `look` at the observation."""
        hidden = jax.nn.silu(self.posterior_norm(self.posterior_state(state) + look))
        return self._variables(self.posterior_last(hidden))

    def noise(self, key: PRNGKeyArray) -> Float[Array, "N K"]:
        """What one sample of the variables needs."""
        return jax.random.gumbel(key, self._shape)

    def imagine(self, latent: Latent, action: Float[Array, " A"], noise: Float[Array, "N K"]) -> Latent:
        """One step ahead, unseen."""
        state = self.advance(latent, action)
        return _drawn(state, self.prior(state), noise)

    def observe(
        self, latent: Latent, action: Float[Array, " A"], look: Float[Array, " n"], noise: Float[Array, "N K"]
    ) -> Latent:
        """One step ahead, with a look at what was seen there."""
        state = self.advance(latent, action)
        return _drawn(state, self.posterior(state, look), noise)

    @staticmethod
    def build(rng: np.random.Generator, config: RSSMConfig, actions: int, tokens: int) -> "Core":
        """A new core for so many entries of the action and so many tokens."""
        state, hidden, classes, _, _ = config.widths
        variables = VARIABLES * classes
        # One layer from two inputs: each part is drawn with the fan-in of both.
        part = {"state": (state / (state + tokens)) ** 0.5, "tokens": (tokens / (state + tokens)) ** 0.5}
        return Core(
            config.unimix,
            *(Dense.build(rng, inputs, hidden) for inputs in (state, variables, actions)),
            BlockGRU.build(rng, state, 3 * hidden, BLOCKS),
            NormedMLP.build(rng, (state, hidden, hidden, variables)),
            linear(rng, tokens, hidden, part["tokens"]),
            linear(rng, state, hidden, part["state"]),
            RMSNorm.build(hidden),
            linear(rng, hidden, variables),
        )

    def _variables(self, logits: Array) -> Categorical:
        return Categorical.of(logits.reshape(self._shape), self.unimix)

    @property
    def _shape(self) -> tuple[int, int]:
        return VARIABLES, self.posterior_last.bias.shape[0] // VARIABLES


def _drawn(state: Array, variables: Categorical, noise: Array) -> Latent:
    return Latent(state, variables.chosen(noise), variables)
