"""Configuration of physics with a learned residual. JAX-free."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError
from diorama.nn.planar_frame import PlanarFrame

RESIDUAL_SIZES = {"nano": (2, 96, 2), "xs": (2, 128, 2), "s": (3, 192, 2), "m": (5, 256, 3), "l": (7, 512, 3)}
"""``size`` to (members, width, hidden layers)."""


@dataclass(frozen=True)
class ResidualConfig:
    """Networks that correct a physics.

    ``physics``: its name, by which whoever loads the model finds it; "" for none: the world stands still but for what
    is learned. ``frame``: the planar frame in which the networks see and correct.
    """

    size: str = "s"
    physics: str = ""
    frame: PlanarFrame | None = None

    def __post_init__(self) -> None:
        if self.size not in RESIDUAL_SIZES:
            raise ConfigError(f"Size {self.size!r} is unknown; choose one of {list(RESIDUAL_SIZES)}.")

    @property
    def members(self) -> int:
        """The number of networks."""
        return RESIDUAL_SIZES[self.size][0]

    @property
    def hidden(self) -> tuple[int, ...]:
        """The widths of the hidden layers."""
        _, width, depth = RESIDUAL_SIZES[self.size]
        return (width,) * depth
