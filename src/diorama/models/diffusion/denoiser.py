"""What a denoising network sees, and what every one of them does."""

import abc
from typing import Any

from jaxtyping import Array, Float

from diorama.core import Module


class Context(Module):
    """The past of one prediction, with K observations, scaled for a network. What never happened is 0.

    ``now``: the newest observation, features ``[n]`` or a picture ``[H, W, C]``. ``past``: the K - 1 older ones, oldest
    first; of a vector the changes from each to the next ``[K - 1, O]``, or pictures. ``actions``: the action after each
    observation ``[K, n]``, the last one leads to what is predicted. ``known``: 1 where an observation was really made,
    0 where the first one stands in for what was before it.
    """

    now: Float[Array, "..."]
    past: Float[Array, "..."]
    actions: Float[Array, "K A"]
    known: Float[Array, " K"]


Read = Any
"""What a network makes of a context whatever the noise level: a pytree of arrays, each network's own."""


class Denoiser(Module):
    """The network F of EDM. Its first output is 0, so that it begins as the best guess without knowledge.

    It comes in two parts because a draw calls it at several noise levels under one context, which it reads once.
    """

    @abc.abstractmethod
    def read(self, context: Context) -> Read:
        """All that can be computed from the context alone."""

    @abc.abstractmethod
    def __call__(self, noisy: Float[Array, "..."], noise: Float[Array, ""], read: Read) -> Float[Array, "..."]:
        """The scaled noisy value (vector or picture), ``c_noise`` and a context read to a value of the same shape."""
