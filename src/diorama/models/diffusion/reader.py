"""A denoiser of vectors that reads the past once: its tokens never look at what is denoised.

`TransformerDenoiser` lets every token look at every other, so the whole past goes through it again at each denoising
step. Here the past is read alone, and at each step one token goes through the blocks and looks at what was read, as
with a key-value cache for text. Source: the read-only denoising steps of DreamerV4 (Hafner et al. 2025, arXiv
2509.24527).
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.models.diffusion.denoiser import Context, Denoiser
from diorama.models.diffusion.transformer import TransformerDenoiser
from diorama.nn.attention import Seen
from diorama.nn.fourier import waves_of
from diorama.nn.mlp import layer_norm


class ReaderDenoiser(Denoiser):
    """The parts of a `TransformerDenoiser` in another order."""

    parts: TransformerDenoiser

    def read(self, context: Context) -> list[Seen]:
        """As in `Denoiser`: the past as the blocks' keys and values; no noise level modulates it."""
        rest = jnp.zeros_like(self.parts.condition.bias)
        tokens, read = self.parts.read(context), []
        for block in self.parts.blocks:
            read.append(block.seen(tokens, rest))
            tokens = block.looking(tokens, rest, read[-1])
        return read

    def __call__(self, noisy: Float[Array, " O"], noise: Float[Array, ""], read: list[Seen]) -> Float[Array, " O"]:
        """As in `Denoiser`."""
        token, condition = self.parts.entered(noisy), self.parts.condition(waves_of(noise, self.parts.width))
        for block, past in zip(self.parts.blocks, read, strict=True):
            token = block.looking(token, condition, past.beside(block.seen(token, condition)))
        return self.parts.leave(layer_norm(token[0]))

    @staticmethod
    def build(rng: np.random.Generator, size: str, outputs: int, context: Context) -> "ReaderDenoiser":
        """A network for vectors of ``outputs`` entries and contexts of this shape."""
        return ReaderDenoiser(TransformerDenoiser.build(rng, size, outputs, context))
