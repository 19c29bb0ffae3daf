"""Configuration of behaviour cloning by diffusion. JAX-free."""

from dataclasses import dataclass, field

from diorama.core.errors import ConfigError
from diorama.learn.config import CloningConfig


@dataclass(frozen=True)
class DiffusionCloningConfig:
    """How a diffusion policy is fitted to demonstrated chunks. Names and defaults follow arXiv 2303.04137.

    ``fit``: the descent. ``power`` and ``most``: the averaged policy keeps ``1 - (1 + update)^-power`` of itself in an
    update, at most ``most``. ``warmup``: updates until the learning rate is reached.
    """

    fit: CloningConfig = field(
        default_factory=lambda: CloningConfig(updates=20_000, learning_rate=1e-3, weight_decay=1e-6)
    )
    power: float = 0.75
    most: float = 0.9999
    warmup: int = 500

    def __post_init__(self) -> None:
        if not self.power > 0 or not 0 <= self.most < 1:
            raise ConfigError(f"power {self.power} must be positive and most {self.most} in [0, 1).")
