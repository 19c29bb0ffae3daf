"""Independent categorical variables with a floor under every probability and straight-through samples."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Module


class Categorical(Module):
    """N independent variables of K classes each.

    With ``unimix`` u the probabilities are ``(1 - u) softmax(logits) + u / K`` (1 % in DreamerV3, arXiv 2301.04104), so
    that no class ever becomes impossible and no divergence infinite.
    """

    log_probability: Float[Array, "*N K"]

    @staticmethod
    def of(logits: Float[Array, "*N K"], unimix: float) -> "Categorical":
        """The variables with these logits and this share of the uniform distribution."""
        plain = jax.nn.log_softmax(logits)
        if not unimix:
            return Categorical(plain)
        floor = jnp.full_like(plain, np.log(unimix / logits.shape[-1]))
        return Categorical(jnp.logaddexp(plain + np.float32(np.log1p(-unimix)), floor))

    def sample(self, key: PRNGKeyArray) -> Float[Array, "*N K"]:
        """One-hot samples whose derivative is that of the probabilities (straight-through, arXiv 1308.3432)."""
        return self.chosen(jax.random.gumbel(key, self.log_probability.shape))

    def chosen(self, noise: Float[Array, "*N K"]) -> Float[Array, "*N K"]:
        """`sample` with Gumbel noise that was drawn before, as a scan wants it: it compiles and runs faster."""
        index = jnp.argmax(self.log_probability + noise, axis=-1)
        drawn = jax.nn.one_hot(index, self.log_probability.shape[-1])
        probability = jnp.exp(self.log_probability)
        return drawn + (probability - jax.lax.stop_gradient(probability))

    def entropy(self) -> Float[Array, ""]:
        """The joint entropy [nat]."""
        return -jnp.sum(jnp.exp(self.log_probability) * self.log_probability)

    def divergence_from(self, truth: "Categorical") -> Float[Array, ""]:
        """``KL(truth || self)`` [nat], summed over the variables: what believing this costs where ``truth`` holds."""
        return jnp.sum(jnp.exp(truth.log_probability) * (truth.log_probability - self.log_probability))

    def detached(self) -> "Categorical":
        """The same variables without derivatives."""
        return jax.lax.stop_gradient(self)
