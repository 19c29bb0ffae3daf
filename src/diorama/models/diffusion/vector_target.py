"""Vectors: what is drawn is the normalised change to the next observation, in the planar frame where there is one."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import EnvSpec, Window, field, tree_at
from diorama.core.env import Observation
from diorama.models.diffusion.denoiser import Context
from diorama.models.diffusion.preconditioning import Preconditioning
from diorama.models.diffusion.target import Target
from diorama.nn import (
    Features,
    Layout,
    Normaliser,
    PlanarFrame,
    action_to_frame,
    from_frame,
    normalise_heading,
    to_frame,
)

SCALE = Preconditioning().data


class VectorTarget(Target):
    """All vectors of the spec side by side, in the order of their names."""

    layout: Layout
    features: Features
    change: Normaliser
    action: Normaliser
    frame: PlanarFrame | None = field(static=True)

    @staticmethod
    def build(spec: EnvSpec, frame: PlanarFrame | None) -> "VectorTarget":
        """The target without statistics. Raises `SpecError` for observations that are no vectors of floating point."""
        layout = Layout.of(spec, owner="A diffusion model of vectors")
        identities = Normaliser.identity(layout.size), Normaliser.identity(spec.action.size)
        return VectorTarget(layout, Features.build(layout, frame), *identities, frame)

    def measured(self, windows: Window) -> "VectorTarget":
        """As in `Target`; the statistics are those of single real steps."""
        vectors, real = np.asarray(self.layout.flatten(windows.observation)), np.asarray(windows.mask)
        before, after = jnp.asarray(vectors[:, :-1][real]), jnp.asarray(vectors[:, 1:][real])
        change = jax.vmap(self._turn)(before, after - before)
        found = (
            self.features.measured(before),
            Normaliser.of(np.asarray(change), still=0.0),
            Normaliser.of(np.asarray(windows.action)[real]),
        )
        return tree_at(lambda t: (t.features, t.change, t.action), self, found)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(O,)``."""
        return (self.layout.size,)

    def flatten(self, observation: Observation) -> Float[Array, "*B O"]:
        """As in `Target`."""
        return self.layout.flatten(observation)

    def split(self, flat: Float[Array, " O"]) -> Observation:
        """As in `Target`."""
        return self.layout.split(flat)

    def view(self, flat: Float[Array, " O"]) -> Float[Array, " n"]:
        """The normalised features."""
        return self.features.of_vector(flat)

    def context(self, flats: Float[Array, "K O"], actions: Float[Array, "K A"], known: Float[Array, " K"]) -> Context:
        """As in `Target`; older observations count as changes, all seen in the newest observation's frame."""
        last = flats[-1]
        past = jax.vmap(lambda change: self.change(self._turn(last, change)))(jnp.diff(flats, axis=0))
        done = jax.vmap(self.action)(actions)
        if self.frame is not None:
            turned = jax.vmap(lambda action: action_to_frame(self.frame, last, action))(actions)
            done = jnp.concatenate([done, jax.vmap(self.action)(turned)], axis=-1)
        return Context(self.view(last), past * known[:-1].reshape(-1, 1), done * known.reshape(-1, 1), known)

    def encode(self, last: Float[Array, " O"], following: Float[Array, " O"]) -> Float[Array, " O"]:
        """Half the normalised change."""
        return SCALE * self.change(self._turn(last, following - last))

    def decode(self, last: Float[Array, " O"], value: Float[Array, " O"]) -> Float[Array, " O"]:
        """As in `Target`; a heading gets unit length again."""
        return self._moved(last, self.change.invert(value / SCALE))

    def clean(self, value: Float[Array, " O"]) -> Float[Array, " O"]:
        """The value: any change is possible."""
        return value

    def perturbed(self, flats: Float[Array, "K O"], size: float, key: PRNGKeyArray) -> Float[Array, "K O"]:
        """As in `Target`."""
        std = size * jax.lax.stop_gradient(self.change.std)
        keys = jax.random.split(key, len(flats))
        return jax.vmap(lambda flat, k: self._moved(flat, std * jax.random.normal(k, flat.shape)))(flats, keys)

    def offset(self, key: PRNGKeyArray) -> Float[Array, " O"]:
        """None: entries of a vector share nothing."""
        return jnp.zeros(self.shape)

    def terms(self, observation: Observation, key: PRNGKeyArray) -> dict[str, Float[Array, ""]]:
        """None."""
        return {}

    def _turn(self, vector: Float[Array, " O"], change: Float[Array, " O"]) -> Float[Array, " O"]:
        return change if self.frame is None else to_frame(self.frame, vector, change)

    def _moved(self, vector: Float[Array, " O"], change: Float[Array, " O"]) -> Float[Array, " O"]:
        if self.frame is None:
            return vector + change
        return normalise_heading(self.frame, vector + from_frame(self.frame, vector, change))
