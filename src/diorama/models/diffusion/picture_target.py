"""Pictures: what is drawn is the next picture itself, in [-1, 1], as in DIAMOND (arXiv 2405.12399), or its change.

Where most of a picture stays as it is, a small network that draws the whole of it spends itself on copying.
"""

import abc

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import EnvSpec, Module, SpecError, Window, field, tree_at
from diorama.core.env import Observation
from diorama.models.diffusion.denoiser import Context
from diorama.models.diffusion.preconditioning import Preconditioning
from diorama.models.diffusion.target import Target
from diorama.nn import Normaliser

SCALE = Preconditioning().data


class Drawn(Module):
    """What of the next picture is drawn."""

    @abc.abstractmethod
    def encode(self, last: Float[Array, "H W C"], following: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """The value that leads from a picture to the next."""

    @abc.abstractmethod
    def decode(self, last: Float[Array, "H W C"], value: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """The next picture, clipped and in 256 levels."""

    @abc.abstractmethod
    def clean(self, value: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """A denoised value as a possible one."""

    @abc.abstractmethod
    def measured(self, pictures: Float[Array, "N T H W C"]) -> "Drawn":
        """The same with the statistics of real pictures."""


class Whole(Drawn):
    """The picture itself."""

    def encode(self, last: Float[Array, "H W C"], following: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """The next picture."""
        return following

    def decode(self, last: Float[Array, "H W C"], value: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """As in `Drawn`."""
        return _seen(value)

    def clean(self, value: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """Clipped and in 256 levels: the world never showed anything else. It has no derivative."""
        return _seen(value)

    def measured(self, pictures: Float[Array, "N T H W C"]) -> "Whole":
        """It needs no statistics."""
        return self


class Change(Drawn):
    """The difference to the last picture, divided by its ``spread`` (a standard deviation) in the data."""

    spread: Float[Array, ""]

    def encode(self, last: Float[Array, "H W C"], following: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """The difference."""
        return SCALE * (following - last) / self.spread

    def decode(self, last: Float[Array, "H W C"], value: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """As in `Drawn`."""
        return _seen(last + value * self.spread / SCALE)

    def clean(self, value: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """As it is."""
        return value

    def measured(self, pictures: Float[Array, "N T H W C"]) -> "Change":
        """As in `Drawn`."""
        return Change(jnp.maximum(jnp.std(pictures[:, 1:] - pictures[:, :-1]), 1 / 127.5))


class PictureTarget(Target):
    """All cameras of the spec as one picture of more channels, in the order of their names."""

    action: Normaliser
    drawn: Drawn
    names: tuple[str, ...] = field(static=True)
    form: tuple[int, ...] = field(static=True)

    @staticmethod
    def build(spec: EnvSpec, drawn: Drawn = Whole()) -> "PictureTarget":  # noqa: B008 (immutable)
        """The target without statistics. Raises `SpecError` where observations are not pictures of one size."""
        names = tuple(sorted(spec.observation))
        shapes = [spec.observation[name].shape for name in names]
        if not all(pictures(spec, name) for name in names) or len(set(shapes)) != 1:
            found = dict(zip(names, shapes, strict=True))
            raise SpecError(
                f"A diffusion model of pictures takes uint8 [H, W, C] of one size, not {found}; leave the others out."
            )
        height, width, channels = shapes[0]
        return PictureTarget(
            Normaliser.identity(spec.action.size), drawn, names, (height, width, channels * len(names))
        )

    def measured(self, windows: Window) -> "PictureTarget":
        """As in `Target`."""
        real = np.asarray(windows.action)[np.asarray(windows.mask)]
        drawn = self.drawn.measured(self.flatten(windows.observation))
        return tree_at(lambda t: (t.action, t.drawn), self, (Normaliser.of(real), drawn))

    @property
    def shape(self) -> tuple[int, ...]:
        """``(H, W, C)``, with the channels of all cameras."""
        return self.form

    def flatten(self, observation: Observation) -> Float[Array, "*B H W C"]:
        """As in `Target`."""
        pictures = [jnp.asarray(observation[name], jnp.float32) for name in self.names]
        return jnp.concatenate(pictures, axis=-1) / 127.5 - 1

    def split(self, flat: Float[Array, "H W C"]) -> Observation:
        """As in `Target`."""
        cameras = jnp.split(_levels(flat).astype(jnp.uint8), len(self.names), axis=-1)
        return dict(zip(self.names, cameras, strict=True))

    def view(self, flat: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """The picture."""
        return flat

    def context(
        self, flats: Float[Array, "K H W C"], actions: Float[Array, "K A"], known: Float[Array, " K"]
    ) -> Context:
        """As in `Target`."""
        past = flats[:-1] * known[:-1].reshape(-1, 1, 1, 1)
        return Context(flats[-1], past, jax.vmap(self.action)(actions) * known.reshape(-1, 1), known)

    def encode(self, last: Float[Array, "H W C"], following: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """As in `Target`."""
        return self.drawn.encode(last, following)

    def decode(self, last: Float[Array, "H W C"], value: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """As in `Target`: clipped and in 256 levels."""
        return self.drawn.decode(last, value)

    def clean(self, value: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        """As in `Target`."""
        return self.drawn.clean(value)

    def perturbed(self, flats: Float[Array, "K H W C"], size: float, key: PRNGKeyArray) -> Float[Array, "K H W C"]:
        """As in `Target`."""
        return flats + size * SCALE * jax.random.normal(key, flats.shape)

    def offset(self, key: PRNGKeyArray) -> Float[Array, "1 1 C"]:
        """One number for each channel."""
        return jax.random.normal(key, (1, 1, self.shape[-1]))

    def terms(self, observation: Observation, key: PRNGKeyArray) -> dict[str, Float[Array, ""]]:
        """None."""
        return {}


def pictures(spec: EnvSpec, name: str) -> bool:
    """Whether an observation is a picture: uint8 ``[H, W, C]``."""
    array = spec.observation[name]
    return len(array.shape) == 3 and array.dtype == "uint8"


def _seen(flat: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
    return _levels(flat) / 127.5 - 1


def _levels(flat: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
    return jnp.round((jnp.clip(flat, -1, 1) + 1) * 127.5)
