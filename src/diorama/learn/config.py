"""Configurations of learners. JAX-free."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class FitConfig:
    """How a model is fitted to windows of real interaction.

    ``chunk`` updates are one jitted program, between which the held-out loss is measured. Fitting ends after
    ``updates``, or when the held-out loss has not improved for ``patience`` chunks; the best model is kept.
    ``average``: the share that a running average of the parameters keeps of itself in an update (0.999), in the first
    updates less; the average is then what is judged and kept. 0: none. ``precision``: of matrix products, ``float32``,
    ``bfloat16``, or ``auto`` for bfloat16 where the device has it (`diorama.learn.precision`); all else is float32.
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
    average: float = 0.0
    precision: str = "auto"

    def __post_init__(self) -> None:
        _positive(self, "updates", "batch", "chunk", "learning_rate", "gradient_norm", "patience", "held_out")
        if not 0.0 <= self.average < 1.0:
            raise ConfigError(f"FitConfig.average is {self.average}; it is a share, at least 0 and below 1.")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"Precision {self.precision!r} is unknown; choose one of {list(PRECISIONS)}.")


@dataclass(frozen=True)
class FirstOrderConfig:
    """How a policy is trained by derivatives through imagination. Names follow SHAC (arXiv 2204.07137).

    ``episode``: worlds go on from where the last update left them until they end or are so many steps old; None begins
    every update at the start of new episodes. ``entropy``: the weight of the entropy, in the return and in the
    critics' targets (SAPO, arXiv 2412.12089); 0 leaves it out. ``entropy_target``: the mean entropy of each entry of
    the action, relative to uniform [nat], towards which the weight adapts (SAPO: -1.2); None keeps the weight.
    ``refresh``: steps of gradient on the local model of a `Decoupled` gradient in each update, on ``refresh_batch``
    windows of ``refresh_window`` steps of what the global world just showed.
    """

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
    entropy_target: float | None = None
    entropy_rate: float = 5e-3
    episode: int | None = None
    refresh: int = 0
    refresh_rate: float = 3e-4
    refresh_batch: int = 256
    refresh_window: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        _positive(self, "updates", "worlds", "horizon", "chunk", "actor_rate", "critic_rate", "critic_steps")
        _positive(self, "entropy_rate", "refresh_rate", "refresh_batch", "refresh_window")
        if self.refresh and self.horizon % self.refresh_window:
            raise ConfigError(
                f"A horizon of {self.horizon} steps cannot be cut into windows of {self.refresh_window}; "
                "choose refresh_window so that it divides the horizon."
            )
        if self.refresh < 0 or self.entropy < 0:
            raise ConfigError("FirstOrderConfig.refresh and .entropy must not be negative.")
        if self.episode is not None and self.episode < self.horizon:
            raise ConfigError(f"Episodes of {self.episode} steps are shorter than the horizon, {self.horizon} steps.")


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
