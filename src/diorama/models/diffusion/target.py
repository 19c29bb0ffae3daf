"""What diffusion denoises: how observations become the values that it draws, and back."""

import abc

from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import AbstractVar, Module, Window
from diorama.core.env import Observation
from diorama.models.diffusion.denoiser import Context
from diorama.nn import Normaliser


class Target(Module):
    """Observations ``[*x]`` in their own array form, and the values ``[*x]`` that are drawn, of standard deviation 0.5.

    ``Flat`` below means all observations of one time as one array: a vector ``[O]`` in physical units, or a picture
    ``[H, W, C]`` in [-1, 1], or the code of one.
    """

    action: AbstractVar[Normaliser]

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of a flat observation, and of what is drawn."""

    @abc.abstractmethod
    def flatten(self, observation: Observation) -> Float[Array, "..."]:
        """All observations as one array, with any leading batch axes."""

    @abc.abstractmethod
    def split(self, flat: Float[Array, "..."]) -> Observation:
        """The inverse of `flatten`, for one time."""

    @abc.abstractmethod
    def view(self, flat: Float[Array, "..."]) -> Float[Array, "..."]:
        """A flat observation as a network sees it."""

    @abc.abstractmethod
    def context(self, flats: Float[Array, "K ..."], actions: Float[Array, "K A"], known: Float[Array, " K"]) -> Context:
        """The context of K flat observations and actions in physical units."""

    @abc.abstractmethod
    def encode(self, last: Float[Array, "..."], following: Float[Array, "..."]) -> Float[Array, "..."]:
        """The value that leads from the flat observation ``last`` to ``following``."""

    @abc.abstractmethod
    def decode(self, last: Float[Array, "..."], value: Float[Array, "..."]) -> Float[Array, "..."]:
        """The flat observation to which ``value`` leads."""

    @abc.abstractmethod
    def clean(self, value: Float[Array, "..."]) -> Float[Array, "..."]:
        """A denoised value as a possible one."""

    @abc.abstractmethod
    def perturbed(self, flats: Float[Array, "K ..."], size: float, key: PRNGKeyArray) -> Float[Array, "K ..."]:
        """Flat observations with independent noise of ``size`` standard deviations of the drawn values."""

    @abc.abstractmethod
    def offset(self, key: PRNGKeyArray) -> Float[Array, "..."]:
        """Standard normal noise that broadcasts to a drawn value and is shared where offset noise is."""

    @abc.abstractmethod
    def terms(self, observation: Observation, key: PRNGKeyArray) -> dict[str, Float[Array, ""]]:
        """What the target itself learns from an observation: terms of the loss by name, or none."""

    @abc.abstractmethod
    def measured(self, windows: Window) -> "Target":
        """The same with the statistics of windows ``[N, T, ...]`` of real interaction."""
