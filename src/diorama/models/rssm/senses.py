"""What an RSSM sees and shows: which observations are vectors and which are pictures, and how each is scaled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from diorama.core import ArraySpec, EnvSpec, Module
from diorama.core.env import Observation
from diorama.nn import Layout, Normaliser
from diorama.nn.symlog import symexp, symlog

SMALLEST = 6
"""Maps are halved until no side is longer than this."""
CHANNELS = (2, 3, 4)
"""Channels of the maps in units of the depth; the last one repeats (as in the source)."""


class Vectors(Module):
    """All vector observations side by side, normalised by statistics of real interaction, then through symlog.

    The source feeds physical units to symlog; with the identity for a normaliser so do we. Normalised, a pixel and a
    radian count alike.
    """

    layout: Layout
    normaliser: Normaliser

    @staticmethod
    def of(spec: EnvSpec) -> "Vectors | None":
        """The vectors of a spec with the identity for a normaliser; None where there are none."""
        names = {name: array for name, array in spec.observation.items() if not is_picture(array)}
        if not names:
            return None
        layout = Layout.of(EnvSpec(spec.name, names, spec.action, spec.control_period), owner="The RSSM")
        return Vectors(layout, Normaliser.identity(layout.size))

    def measured(self, observation: Mapping[str, Any], real: np.ndarray) -> "Vectors":
        """The same with the statistics of the ``real`` rows of these observations."""
        return Vectors(self.layout, Normaliser.of(np.asarray(self.layout.flatten(observation))[real]))

    def squash(self, observation: Observation) -> Float[Array, " n"]:
        """One observation as the network sees it."""
        return symlog(self.normaliser(self.layout.flatten(observation)))

    def unsquash(self, vector: Float[Array, " n"]) -> Observation:
        """The inverse of `squash`: physical units, by name."""
        return self.layout.split(self.normaliser.invert(symexp(vector)))


@dataclass(frozen=True)
class PictureShape:
    """How a picture ``[height, width, channels]`` is halved: ``maps`` times, from sides padded to a multiple."""

    height: int
    width: int
    channels: int

    @staticmethod
    def of(spec: ArraySpec) -> "PictureShape":
        """The shape of a picture's spec."""
        return PictureShape(*spec.shape)

    @property
    def maps(self) -> int:
        """How often it is halved, at least once."""
        return max(1, int(np.ceil(np.log2(max(self.height, self.width) / SMALLEST))))

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width that can be halved so often."""
        step = 2**self.maps
        return -(-self.height // step) * step, -(-self.width // step) * step

    def widths(self, depth: int) -> tuple[int, ...]:
        """The channels of the maps, the largest map first."""
        return tuple(depth * CHANNELS[min(i, len(CHANNELS) - 1)] for i in range(self.maps))

    def smallest(self, depth: int) -> tuple[int, int, int]:
        """The shape of the smallest map."""
        height, width = (side // 2**self.maps for side in self.padded)
        return height, width, self.widths(depth)[-1]


def is_picture(spec: ArraySpec) -> bool:
    """Whether an observation is a picture: bytes ``[H, W, C]``."""
    return spec.dtype == "uint8" and len(spec.shape) == 3


def pictures(spec: EnvSpec) -> dict[str, PictureShape]:
    """The pictures of a spec by name, in the order of their names."""
    return {
        name: PictureShape.of(spec.observation[name])
        for name in sorted(spec.observation)
        if is_picture(spec.observation[name])
    }


def unit(picture: UInt8[Array, "H W C"]) -> Float[Array, "H W C"]:
    """Bytes to 0 .. 1."""
    return picture.astype(jnp.float32) / 255.0
