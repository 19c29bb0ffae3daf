"""The condition of the networks of pictures: noise level and actions in one vector."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module, field
from diorama.models.diffusion.denoiser import Context
from diorama.nn.fourier import waves_of
from diorama.nn.mlp import MLP, nothing


class Condition(Module):
    """Waves of the noise level, all actions and what is known of the past, through two layers."""

    network: MLP
    waves: int = field(static=True)

    def __call__(self, noise: Float[Array, ""], context: Context) -> Float[Array, " n"]:
        """The condition."""
        parts = [waves_of(noise, self.waves), context.actions.reshape(-1), context.known]
        return self.network(jnp.concatenate(parts))

    @staticmethod
    def build(rng: np.random.Generator, width: int, context: Context) -> "Condition":
        """A condition of ``width`` entries."""
        inputs = width + context.actions.size + context.known.size
        return Condition(MLP.build(rng, (inputs, width, width), between=nothing), width)


def stacked(noisy: Float[Array, "H W C"], context: Context, data: float) -> Float[Array, "H W D"]:
    """The noisy picture with all K pictures of the context, scaled to size 1, as more channels."""
    seen = [context.now / data, *(picture / data for picture in context.past)]
    return jnp.concatenate([noisy, *seen], axis=-1)
