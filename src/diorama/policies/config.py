"""Configurations of policies. JAX-free. ``size`` sets what can be derived."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError
from diorama.nn.planar_frame import PlanarFrame

ACTOR_SIZES = {"nano": (64, 64), "xs": (96, 96), "s": (128, 128), "m": (256, 256), "l": (512, 512, 512)}
"""``size`` to the widths of the hidden layers."""


@dataclass(frozen=True)
class ActorConfig:
    """A reactive actor. ``frame``: a planar frame from which it sees too. ``noise``: its first standard deviation."""

    size: str = "s"
    frame: PlanarFrame | None = None
    noise: float = 0.4

    def __post_init__(self) -> None:
        if self.size not in ACTOR_SIZES:
            raise ConfigError(f"Size {self.size!r} is unknown; choose one of {list(ACTOR_SIZES)}.")
        if not self.noise > 0:
            raise ConfigError(f"Noise {self.noise} must be positive.")

    @property
    def hidden(self) -> tuple[int, ...]:
        """The widths of the hidden layers."""
        return ACTOR_SIZES[self.size]


@dataclass(frozen=True)
class RandomConfig:
    """A policy that draws each action uniformly in its bounds."""


@dataclass(frozen=True)
class PlannerConfig:
    """A sampling planner over a world model; see `MPPI` and `CEM`. ``noise`` is in units of half the action's range."""

    horizon: int = 12
    samples: int = 128
    rounds: int = 2
    elites: int = 16
    noise: float = 0.5
    temperature: float = 0.5
    discount: float = 1.0

    def __post_init__(self) -> None:
        for name in ("horizon", "samples", "rounds", "elites", "noise", "temperature", "discount"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"PlannerConfig.{name} is {getattr(self, name)}; it must be positive.")
        if self.elites > self.samples:
            raise ConfigError(f"{self.elites} elites of {self.samples} samples; ask for fewer elites.")
