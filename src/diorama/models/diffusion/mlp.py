"""A denoiser of vectors: everything side by side through a multi-layer perceptron."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.models.diffusion.config import MLP_SIZES
from diorama.models.diffusion.denoiser import Context, Denoiser
from diorama.nn.fourier import waves_of
from diorama.nn.mlp import MLP, nothing
from diorama.nn.product import product

WAVES = 32


class Entered(Module):
    """What a context adds to the first layer and to the skip."""

    hidden: Float[Array, " n"]
    skipped: Float[Array, " O"]


class MLPDenoiser(Denoiser):
    """The noisy vector, waves of the noise level, and the context, in one vector."""

    network: MLP

    def read(self, context: Context) -> Entered:
        """As in `Denoiser`: its part of the product with the first layer, offsets included."""
        seen = jnp.concatenate([context.now, context.past.reshape(-1), context.actions.reshape(-1), context.known])
        enter, skip = self.network.layers[0], self.network.skip
        hidden, skipped = (product(seen, weight[:, -len(seen) :]) for weight in (enter.weight, skip))
        return Entered(hidden + enter.bias, skipped)

    def __call__(self, noisy: Float[Array, " O"], noise: Float[Array, ""], read: Entered) -> Float[Array, " O"]:
        """As in `Denoiser`."""
        waves = waves_of(noise, WAVES)

        def entered(weight: Float[Array, "n i"]) -> Float[Array, " n"]:
            # Apart, because a batch shares its noise level: only the product with ``noisy`` is made for each world.
            size = len(noisy)
            return product(noisy, weight[:, :size]) + product(waves, weight[:, size : size + WAVES])

        enter, *between, leave = self.network.layers
        hidden = jax.nn.silu(entered(enter.weight) + read.hidden)
        for layer in between:
            hidden = jax.nn.silu(product(hidden, layer.weight) + layer.bias)
        return leave(hidden) + entered(self.network.skip) + read.skipped

    @staticmethod
    def build(rng: np.random.Generator, size: str, outputs: int, context: Context) -> "MLPDenoiser":
        """A network for vectors of ``outputs`` entries and contexts of this shape."""
        width, depth = MLP_SIZES[size]
        inputs = (
            outputs + WAVES + sum(part.size for part in (context.now, context.past, context.actions, context.known))
        )
        sizes = (inputs, *(width,) * depth, outputs)
        return MLPDenoiser(MLP.build(rng, sizes, between=nothing, last_gain=0.0))
