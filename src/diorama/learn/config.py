"""Configurations of learners. JAX-free."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError


@dataclass(frozen=True)
class FitConfig:
    """How a model is fitted to windows of real interaction.

    ``chunk`` updates are one jitted program, between which the held-out loss is measured. Fitting ends after
    ``updates``, or when the held-out loss has not improved for ``patience`` chunks; the best model is kept.
    """

    updates: int = 4000
    batch: int = 256
    chunk: int = 100
    learning_rate: float = 1e-3
    warmup: int = 100
    gradient_norm: float = 1.0
    weight_decay: float = 1e-4
    patience: int = 30
    held_out: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        _positive(self, "updates", "batch", "chunk", "learning_rate", "gradient_norm", "patience", "held_out")


@dataclass(frozen=True)
class FirstOrderConfig:
    """How a policy is trained by derivatives through imagination. Names follow SHAC (arXiv 2204.07137)."""

    updates: int = 2000
    worlds: int = 64
    horizon: int = 16
    chunk: int = 50
    discount: float = 0.95
    trace: float = 0.95
    actor_rate: float = 2e-3
    critic_rate: float = 3e-3
    critic_steps: int = 8
    target_rate: float = 0.2
    gradient_norm: float = 1.0
    entropy: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        _positive(self, "updates", "worlds", "horizon", "chunk", "actor_rate", "critic_rate", "critic_steps")


@dataclass(frozen=True)
class CloningConfig:
    """How a policy is fitted to demonstrated actions."""

    updates: int = 2000
    batch: int = 256
    chunk: int = 100
    learning_rate: float = 1e-3
    gradient_norm: float = 1.0
    weight_decay: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        _positive(self, "updates", "batch", "chunk", "learning_rate", "gradient_norm")


def _positive(config: object, *names: str) -> None:
    for name in names:
        if not getattr(config, name) > 0:
            raise ConfigError(f"{type(config).__name__}.{name} is {getattr(config, name)}; it must be positive.")
