"""Pictures by their codes: what is drawn is the next picture's code, and a tokenizer that learns beside makes it.

Source: latent diffusion (Rombach et al. 2022, arXiv 2112.10752). The tokenizer learns from reconstruction alone: no
gradient of what is predicted reaches it, else codes that say nothing would be the easiest to predict.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import EnvSpec, Window, tree_at
from diorama.core.env import Observation
from diorama.models.diffusion.denoiser import Context
from diorama.models.diffusion.picture_target import PictureTarget
from diorama.models.diffusion.preconditioning import Preconditioning
from diorama.models.diffusion.target import Target
from diorama.models.tokenizer import Tokenizer, TokenizerConfig
from diorama.nn import Normaliser

SCALE = Preconditioning().data


class LatentTarget(Target):
    """A `PictureTarget` behind a `Tokenizer`; a flat observation is a code ``[h, w, c]`` in -1 .. 1."""

    action: Normaliser
    pixels: PictureTarget
    tokenizer: Tokenizer

    @staticmethod
    def build(spec: EnvSpec, config: TokenizerConfig, rng: np.random.Generator) -> "LatentTarget":
        """The target without statistics, with a new tokenizer. Raises `SpecError` where `PictureTarget` does."""
        pixels = PictureTarget.build(spec)
        return LatentTarget(Normaliser.identity(spec.action.size), pixels, Tokenizer.build(config, pixels.shape, rng))

    def measured(self, windows: Window) -> "LatentTarget":
        """As in `Target`; codes need no statistics, because they are bounded."""
        return tree_at(lambda t: t.action, self, self.pixels.measured(windows).action)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(h, w, c)``."""
        return jax.eval_shape(self.tokenizer.encode, jax.ShapeDtypeStruct(self.pixels.shape, jnp.float32)).shape

    def flatten(self, observation: Observation) -> Float[Array, "*B h w c"]:
        """As in `Target`; no gradient reaches the tokenizer."""
        pictures = self.pixels.flatten(observation)
        rows = pictures.reshape(-1, *self.pixels.shape)
        codes = jax.vmap(jax.lax.stop_gradient(self.tokenizer).encode)(rows)
        return codes.reshape(*pictures.shape[:-3], *codes.shape[1:])

    def split(self, flat: Float[Array, "h w c"]) -> Observation:
        """As in `Target`."""
        return self.pixels.split(self.tokenizer.decode(flat))

    def view(self, flat: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """The code."""
        return flat

    def context(
        self, flats: Float[Array, "K h w c"], actions: Float[Array, "K A"], known: Float[Array, " K"]
    ) -> Context:
        """As in `Target`."""
        past = flats[:-1] * known[:-1].reshape(-1, 1, 1, 1)
        return Context(flats[-1], past, jax.vmap(self.action)(actions) * known.reshape(-1, 1), known)

    def encode(self, last: Float[Array, "h w c"], following: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """The next code."""
        return following

    def decode(self, last: Float[Array, "h w c"], value: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """The value within its bounds."""
        return self.clean(value)

    def clean(self, value: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """The value within its bounds."""
        return jnp.clip(value, -1, 1)

    def perturbed(self, flats: Float[Array, "K h w c"], size: float, key: PRNGKeyArray) -> Float[Array, "K h w c"]:
        """As in `Target`."""
        return flats + size * SCALE * jax.random.normal(key, flats.shape)

    def offset(self, key: PRNGKeyArray) -> Float[Array, "1 1 c"]:
        """One number for each channel of the code."""
        return jax.random.normal(key, (1, 1, self.shape[-1]))

    def terms(self, observation: Observation, key: PRNGKeyArray) -> dict[str, Float[Array, ""]]:
        """The tokenizer's squared error."""
        return {"reconstruction": self.tokenizer.loss(self.pixels.flatten(observation), key)}
