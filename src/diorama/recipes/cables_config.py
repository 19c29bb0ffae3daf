"""How a measured cable is identified and corrected. JAX-free."""

from dataclasses import dataclass, field

from diorama.core.errors import ConfigError
from diorama.learn.least_squares_config import LeastSquaresConfig


@dataclass(frozen=True)
class IdentifyConfig:
    """Descents of identification, each on windows from other moments of the training trajectories.

    Attributes:
        frames: of a window.
        windows: of a descent.
        iterations: of each descent, at most.
        substeps: of 10 ms; 4 is 2.5 ms, stable up to a stretch stiffness of 900 m^2/s^2 with 8 cm edges.
        every: how many frames lie between two that are compared.
        unit_m: an error of so many metres is a residual of one.
        seed: of the windows.
        descent: the rest.
    """

    frames: int = 50
    windows: int = 60
    iterations: tuple[int, ...] = (16,)
    substeps: int = 4
    every: int = 5
    unit_m: float = 0.01
    seed: int = 0
    descent: LeastSquaresConfig = field(default_factory=LeastSquaresConfig)

    def __post_init__(self) -> None:
        if not self.iterations or self.substeps < 1 or self.windows < 1:
            raise ConfigError("Identification needs a descent, a window and a sub-step; give at least one of each.")
        if self.frames % self.every:
            raise ConfigError(
                f"Every {self.every}th of {self.frames} frames does not end with the last; give a divisor."
            )


@dataclass(frozen=True)
class CorrectConfig:
    """Training of the residual through roll-outs from random moments of the training trajectories.

    Attributes:
        hidden: widths of the network.
        frames: of the windows of each stage; the horizon grows.
        updates: of each stage.
        batch: windows an update.
        chunk: updates between two looks at the held-out trajectories.
        patience: looks without a better one after which a stage ends.
        learning_rate: largest, of each stage.
        weight_decay: of matrices.
        seed: of the network and the windows.
    """

    hidden: tuple[int, ...] = (32, 32)
    frames: tuple[int, ...] = (100,)
    updates: tuple[int, ...] = (300,)
    batch: int = 32
    chunk: int = 25
    patience: int = 8
    learning_rate: tuple[float, ...] = (3e-3,)
    weight_decay: float = 1e-3
    gradient_norm: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not len(self.frames) == len(self.updates) == len(self.learning_rate) > 0:
            raise ConfigError("Give frames, updates and a learning rate for each stage, at least one stage.")
        if any(count % self.chunk for count in self.updates):
            raise ConfigError(f"A chunk of {self.chunk} does not divide {self.updates}; give updates that it divides.")


@dataclass(frozen=True)
class CablesConfig:
    """Everything that is chosen before a cable is seen. ``held_out``: training trajectories for selection only."""

    held_out: int = 10
    seed: int = 0
    identify: IdentifyConfig = field(default_factory=IdentifyConfig)
    correct: CorrectConfig = field(default_factory=CorrectConfig)
