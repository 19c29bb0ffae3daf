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
    """How far and how hard a planner looks. ``noise`` and ``least`` are in units of half the action's range.

    ``samples`` is the number of plans imagined in a round, the present plan and the proposals included. ``noise`` is
    the first standard deviation of a decision, ``least`` the smallest of any round. ``temperature`` is MPPI's.
    ``draws`` is the number of random futures over which a plan's return is averaged in a stochastic world. ``chunk``
    bounds memory: so many plans are imagined at a time, 0 for all at once.
    """

    horizon: int = 12
    samples: int = 128
    rounds: int = 2
    elites: int = 16
    noise: float = 0.5
    least: float = 0.05
    temperature: float = 0.5
    discount: float = 1.0
    draws: int = 1
    chunk: int = 0

    def __post_init__(self) -> None:
        _positive(self, "horizon", "samples", "rounds", "elites", "noise", "least", "temperature", "discount", "draws")
        if self.elites > self.samples:
            raise ConfigError(f"{self.elites} elites of {self.samples} samples; ask for fewer elites.")
        if self.chunk < 0:
            raise ConfigError(f"PlannerConfig.chunk is {self.chunk}; give a number of plans, or 0 for all at once.")


@dataclass(frozen=True)
class IcemConfig:
    """What iCEM adds (Pinneri et al. 2020, arXiv 2008.06389): colour, memory and a shrinking population.

    ``exponent`` of the noise's colour (0: white); ``kept``: the fraction of the elites that join the next round;
    ``decay``: each round has so many times fewer samples; ``momentum``: the weight of the last mean and deviation.
    """

    exponent: float = 2.0
    kept: float = 0.3
    decay: float = 1.25
    momentum: float = 0.1

    def __post_init__(self) -> None:
        if self.exponent < 0 or self.decay < 1:
            raise ConfigError(
                f"IcemConfig.exponent is {self.exponent} and decay {self.decay}; give at least 0 and at least 1."
            )
        if not 0 < self.kept <= 1 or not 0 <= self.momentum < 1:
            raise ConfigError(
                f"IcemConfig.kept is {self.kept} and momentum {self.momentum}; they are fractions, kept above 0 and "
                "momentum below 1."
            )

    def carried(self, config: PlannerConfig) -> int:
        """How many elites join the next round: at least the best one, which is done."""
        return max(round(self.kept * config.elites), 1)

    def counts(self, config: PlannerConfig) -> list[int]:
        """The samples of each round. Raises `ConfigError` for fewer samples than twice the elites."""
        if config.samples < 2 * config.elites:
            raise ConfigError(f"iCEM needs twice as many samples as its {config.elites} elites; got {config.samples}.")
        least = 2 * config.elites
        return [max(int(config.samples / self.decay**number), least) for number in range(config.rounds)]


@dataclass(frozen=True)
class DescentConfig:
    """Planning by derivatives: ``steps`` of Adam on ``restarts`` plans; ``rate`` falls to zero as a cosine."""

    restarts: int = 4
    steps: int = 20
    rate: float = 0.1

    def __post_init__(self) -> None:
        _positive(self, "restarts", "steps", "rate")


def _positive(config: PlannerConfig | DescentConfig, *names: str) -> None:
    for name in names:
        if not getattr(config, name) > 0:
            raise ConfigError(f"{type(config).__name__}.{name} is {getattr(config, name)}; it must be positive.")
