"""A denoiser of vectors: everything side by side through a multi-layer perceptron."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.models.diffusion.config import MLP_SIZES
from diorama.models.diffusion.denoiser import Context, Denoiser
from diorama.nn.fourier import waves_of
from diorama.nn.mlp import MLP, nothing

WAVES = 32


class MLPDenoiser(Denoiser):
    """The noisy vector, waves of the noise level, and the context, in one vector."""

    network: MLP

    def __call__(self, noisy: Float[Array, " O"], noise: Float[Array, ""], context: Context) -> Float[Array, " O"]:
        """As in `Denoiser`."""
        parts = [noisy, waves_of(noise, WAVES), context.now, context.past.reshape(-1)]
        return self.network(jnp.concatenate([*parts, context.actions.reshape(-1), context.known]))

    @staticmethod
    def build(rng: np.random.Generator, size: str, outputs: int, context: Context) -> "MLPDenoiser":
        """A network for vectors of ``outputs`` entries and contexts of this shape."""
        width, depth = MLP_SIZES[size]
        inputs = (
            outputs + WAVES + sum(part.size for part in (context.now, context.past, context.actions, context.known))
        )
        sizes = (inputs, *(width,) * depth, outputs)
        return MLPDenoiser(MLP.build(rng, sizes, between=nothing, last_gain=0.0))
