"""Configurations of models. JAX-free. ``size`` sets what can be derived."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError
from diorama.nn.planar_frame import PlanarFrame

ENSEMBLE_SIZES = {"nano": (2, 96, 2), "xs": (2, 128, 2), "s": (3, 192, 2), "m": (5, 256, 3), "l": (7, 512, 3)}
"""``size`` to (members, width, hidden layers)."""


@dataclass(frozen=True)
class EnsembleConfig:
    """A probabilistic ensemble of networks. ``frame``: the planar frame in which it sees and predicts."""

    size: str = "s"
    frame: PlanarFrame | None = None

    def __post_init__(self) -> None:
        if self.size not in ENSEMBLE_SIZES:
            raise ConfigError(f"Size {self.size!r} is unknown; choose one of {list(ENSEMBLE_SIZES)}.")

    @property
    def members(self) -> int:
        """The number of networks."""
        return ENSEMBLE_SIZES[self.size][0]

    @property
    def hidden(self) -> tuple[int, ...]:
        """The widths of the hidden layers."""
        _, width, depth = ENSEMBLE_SIZES[self.size]
        return (width,) * depth
