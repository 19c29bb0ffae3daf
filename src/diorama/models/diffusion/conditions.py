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


class ReadPictures(Module):
    """A context as the networks of pictures read it: what its pictures add to the first layer, and the rest of it."""

    entered: Float[Array, "..."]
    context: Context


def stacked(context: Context, data: float) -> Float[Array, "H W D"]:
    """All K pictures of the context, newest first, scaled to size 1, as channels of one."""
    return jnp.concatenate([context.now, *context.past], axis=-1) / data
