"""Configuration of PPO. JAX-free."""

import math
from dataclasses import dataclass

from diorama.core.errors import ConfigError

_POSITIVE = (
    "updates",
    "worlds",
    "length",
    "episode",
    "chunk",
    "epochs",
    "minibatches",
    "rate",
    "clip",
    "value_clip",
    "gradient_norm",
    "divergence",
)


@dataclass(frozen=True)
class PPOConfig:
    """How a policy is trained by proximal policy optimisation (arXiv 1707.06347).

    Each update lets ``worlds`` worlds run on for ``length`` steps and learns from them for ``epochs`` passes of
    ``minibatches`` steps of Adam. ``episode``: steps after which a world is cut off and begins anew. ``clip``: how far
    the ratio of likelihoods may move; ``value_clip``: how far a value may, in units of scaled reward. By default it may
    move freely: clipping values did harm in arXiv 2006.05990 and in our own trials. ``divergence``: KL [nat] from the
    policy that acted at which an update stops learning. The learning ``rate`` falls linearly to 0 over ``updates``.
    ``chunk`` updates are one jitted program.
    """

    updates: int = 50
    worlds: int = 16
    length: int = 128
    episode: int = 200
    chunk: int = 10
    discount: float = 0.99
    trace: float = 0.95
    epochs: int = 10
    minibatches: int = 16
    rate: float = 1e-3
    clip: float = 0.2
    value_clip: float = math.inf
    value_weight: float = 0.5
    entropy: float = 0.0
    gradient_norm: float = 0.5
    divergence: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise ConfigError(f"PPOConfig.{name} is {getattr(self, name)}; it must be positive.")
        for name in ("discount", "trace"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"PPOConfig.{name} is {getattr(self, name)}; it must lie between 0 and 1.")
        if self.piece % self.minibatches:
            raise ConfigError(
                f"{self.worlds} worlds x {self.length} steps do not divide into {self.minibatches} minibatches; "
                "choose a number of minibatches that divides them."
            )

    @property
    def piece(self) -> int:
        """Steps of the worlds in one update."""
        return self.worlds * self.length

    @property
    def samples(self) -> int:
        """Steps of the worlds in the whole training."""
        return self.updates * self.piece
