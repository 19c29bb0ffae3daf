"""What a network sees of an observation: all vectors side by side, those seen from a moving frame, normalised."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module, field
from diorama.core.env import Observation
from diorama.nn.normaliser import Normaliser
from diorama.nn.planar import PlanarFrame, lift
from diorama.nn.vectors import Layout


class Features(Module):
    """Observation by name to one normalised vector; with a frame, its lifted entries are appended."""

    normaliser: Normaliser
    layout: Layout
    frame: PlanarFrame | None = field(static=True)

    def __call__(self, observation: Observation) -> Float[Array, " n"]:
        """The normalised features of one observation."""
        return self.of_vector(self.layout.flatten(observation))

    def of_vector(self, vector: Float[Array, " o"]) -> Float[Array, " n"]:
        """The normalised features of one flat observation."""
        return self.normaliser(self._lifted(vector))

    @property
    def size(self) -> int:
        """The number of features."""
        return self.normaliser.mean.shape[0]

    @staticmethod
    def build(layout: Layout, frame: PlanarFrame | None) -> "Features":
        """Features with the identity for a normaliser."""
        shape = jax.eval_shape(lambda v: _lifted(frame, v), jnp.zeros(layout.size)).shape
        return Features(Normaliser.identity(shape[0]), layout, frame)

    def measured(self, vectors: Float[np.ndarray | Array, "N o"]) -> "Features":
        """The same features with the statistics of these flat observations."""
        rows = jax.vmap(self._lifted)(jnp.asarray(vectors, jnp.float32))
        return Features(Normaliser.of(np.asarray(rows)), self.layout, self.frame)

    def _lifted(self, vector: Float[Array, " o"]) -> Float[Array, " n"]:
        return _lifted(self.frame, vector)


def _lifted(frame: PlanarFrame | None, vector: Float[Array, " o"]) -> Float[Array, " n"]:
    return vector if frame is None else jnp.concatenate([vector, lift(frame, vector)])
