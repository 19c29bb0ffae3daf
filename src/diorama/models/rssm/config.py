"""Configuration of the recurrent state-space model. JAX-free. ``size`` sets what can be derived."""

from dataclasses import dataclass
from typing import NamedTuple

from diorama.core.errors import ConfigError

VARIABLES = 32
"""Categorical variables of the latent state, at every size."""
BLOCKS = 8
"""Blocks of the recurrent weights, at every size."""


class RSSMSize(NamedTuple):
    """Widths: recurrent state, its layers, classes of each variable, channels of a picture map, other layers."""

    state: int
    hidden: int
    classes: int
    depth: int
    units: int


RSSM_SIZES = {
    "nano": RSSMSize(128, 32, 4, 4, 32),
    "xs": RSSMSize(256, 48, 4, 4, 48),
    "s": RSSMSize(512, 64, 4, 4, 64),
    "m": RSSMSize(2048, 256, 16, 16, 256),
    "l": RSSMSize(3072, 384, 24, 24, 384),
}
"""``s``, ``m`` and ``l`` are size1m, size12m and size25m of the source; ``nano`` and ``xs`` are below its table."""


@dataclass(frozen=True)
class RSSMConfig:
    """A recurrent state-space model.

    ``unimix``: the share of the uniform distribution in every categorical. ``free_nats``: the divergence [nat] below
    which neither term of it is trained. ``dynamics`` and ``representation``: the weights of the two terms.
    ``discrete``: the action is a score for each choice, as that of a Gymnasium ``Discrete``, and only which of them is
    the largest counts.
    """

    size: str = "s"
    unimix: float = 0.01
    free_nats: float = 1.0
    dynamics: float = 1.0
    representation: float = 0.1
    discrete: bool = False

    def __post_init__(self) -> None:
        if self.size not in RSSM_SIZES:
            raise ConfigError(f"Size {self.size!r} is unknown; choose one of {list(RSSM_SIZES)}.")
        if not 0.0 <= self.unimix < 1.0:
            raise ConfigError(f"unimix is {self.unimix}; it is a share, at least 0 and below 1.")
        for name in ("free_nats", "dynamics", "representation"):
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must not be negative.")

    @property
    def widths(self) -> RSSMSize:
        """The widths of this size."""
        return RSSM_SIZES[self.size]

    @property
    def features(self) -> int:
        """The length of the latent state as heads and decoders see it: recurrent state and one-hot variables."""
        return self.widths.state + VARIABLES * self.widths.classes
