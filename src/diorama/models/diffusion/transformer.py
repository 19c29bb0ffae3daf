"""A denoiser of vectors: one token for each past step, one for the present, one for what is denoised."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.models.diffusion.config import TRANSFORMER_SIZES
from diorama.models.diffusion.denoiser import Context, Denoiser
from diorama.nn.attention import AdaptiveBlock, rows
from diorama.nn.fan_in import fan_in_normal
from diorama.nn.fourier import waves_of
from diorama.nn.mlp import Linear, layer_norm
from diorama.nn.normed_mlp import linear


class TransformerDenoiser(Denoiser):
    """Blocks over K + 1 tokens, modulated by the noise level (DiT, arXiv 2212.09748)."""

    of_step: Linear
    of_now: Linear
    of_noisy: Linear
    places: Float[Array, "N D"]
    condition: Linear
    blocks: tuple[AdaptiveBlock, ...]
    leave: Linear

    def read(self, context: Context) -> Float[Array, "K D"]:
        """As in `Denoiser`: one token for each past step and one for the present."""
        flags = context.known[:-1].reshape(-1, 1)
        steps = jnp.concatenate([context.past, context.actions[:-1], flags], axis=-1)
        now = self.of_now(jnp.concatenate([context.now, context.actions[-1]]))
        return jnp.concatenate([rows(self.of_step, steps), now[None]]) + self.places[:-1]

    def __call__(
        self, noisy: Float[Array, " O"], noise: Float[Array, ""], read: Float[Array, "K D"]
    ) -> Float[Array, " O"]:
        """As in `Denoiser`."""
        tokens = jnp.concatenate([read, self.entered(noisy)])
        condition = self.condition(waves_of(noise, self.width))
        *earlier, last = self.blocks
        for block in earlier:
            tokens = block(tokens, condition)
        return self.leave(layer_norm(last.last(tokens, condition, 1)[0]))

    def entered(self, noisy: Float[Array, " O"]) -> Float[Array, "1 D"]:
        """The token of what is denoised."""
        return self.of_noisy(noisy)[None] + self.places[-1:]

    @property
    def width(self) -> int:
        """The entries of a token."""
        return self.places.shape[1]

    @staticmethod
    def build(rng: np.random.Generator, size: str, outputs: int, context: Context) -> "TransformerDenoiser":
        """A network for vectors of ``outputs`` entries and contexts of this shape."""
        width, depth, heads = TRANSFORMER_SIZES[size]
        length, action = context.actions.shape
        return TransformerDenoiser(
            linear(rng, context.past.shape[1] + action + 1, width),
            linear(rng, context.now.shape[0] + action, width),
            linear(rng, outputs, width),
            jnp.asarray(fan_in_normal(rng, (length + 1, width), 1, 0.02)),
            linear(rng, width, width),
            tuple(AdaptiveBlock.build(rng, width, heads, width) for _ in range(depth)),
            linear(rng, width, outputs, 0.0),
        )
