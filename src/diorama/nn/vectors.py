"""Vector observations side by side in one vector, in the order of their names."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import ArraySpec, EnvSpec, Module, SpecError, field
from diorama.core.env import Observation


class Layout(Module):
    """The names and shapes of an observation, in the order in which `flatten` lays them side by side."""

    names: tuple[str, ...] = field(static=True)
    shapes: tuple[tuple[int, ...], ...] = field(static=True)

    @staticmethod
    def of(spec: EnvSpec, *, owner: str) -> "Layout":
        """The layout of a spec. Raises `SpecError` where an observation is no floating-point array (an image)."""
        names = tuple(sorted(spec.observation))
        for name in names:
            _check_float(spec.observation[name], name, owner)
        return Layout(names, tuple(spec.observation[name].shape for name in names))

    @property
    def size(self) -> int:
        """The length of the flat vector."""
        return sum(self.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of entries of each observation."""
        return tuple(int(np.prod(shape, dtype=int)) for shape in self.shapes)

    def flatten(self, observation: Mapping[str, Any]) -> Float[Array, "*B n"]:
        """All observations (arrays of JAX or NumPy by name) as one vector, with any leading batch axes."""
        parts = [self._rows(jnp.asarray(observation[n]), s) for n, s in zip(self.names, self.shapes, strict=True)]
        return jnp.concatenate(parts, axis=-1)

    def split(self, vector: Float[Array, "*B n"]) -> Observation:
        """The inverse of `flatten`."""
        parts = jnp.split(vector, np.cumsum(self.sizes)[:-1], axis=-1)
        shaped = (p.reshape(*p.shape[:-1], *s) for p, s in zip(parts, self.shapes, strict=True))
        return dict(zip(self.names, shaped, strict=True))

    def _rows(self, array: Array, shape: tuple[int, ...]) -> Array:
        batch = array.shape[: array.ndim - len(shape)]
        return array.reshape(*batch, -1)


def _check_float(spec: ArraySpec, name: str, owner: str) -> None:
    if not np.issubdtype(np.dtype(spec.dtype), np.floating):
        raise SpecError(
            f"{owner} takes vectors only, and observation {name!r} is {spec.dtype}{list(spec.shape)}; "
            "leave it out of the environment's observations or use a model of images."
        )
