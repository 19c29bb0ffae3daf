"""What a rope task is made of, in numbers, and which seeds are for what. JAX-free."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError

TRAINING = range(0, 900_000)
"""Seeds of starts and goals that a learner may see."""
HELD_OUT = range(900_000, 1_000_000)
"""Seeds of starts and goals for tests alone."""


@dataclass(frozen=True)
class TaskConfig:
    """A rope, the grippers that hold it, and the time there is.

    Attributes:
        vertices: of the rope, without objects.
        length: of the rope [m].
        radius: of the rope and of what it meets that is long and thin [m].
        line_density: of the rope [kg/m].
        bend: bending stiffness EI [N m^2]; that against twist is a fifth of it, as of a rope of strands.
        stretch: stiffness EA [N].
        grips: for each gripper the vertices that it holds; those of an edge are held with their section, as in a vice.
        fixed: vertices that never move, likewise.
        control_period: of one decision [s].
        parts: of a decision in which grippers move evenly.
        substep: [s].
        decisions: in an episode.
        speed: largest velocity of a gripper along an axis [m/s].
        strength: pull of the rope from which a gripper gives way [N].
        release: after how many decisions the grippers let go; 0: never.
        drag: rate at which motion decays [1/s].
        self_contact: whether the rope touches itself and objects.
    """

    vertices: int
    length: float
    grips: tuple[tuple[int, ...], ...]
    fixed: tuple[int, ...] = ()
    radius: float = 0.006
    line_density: float = 0.06
    bend: float = 2e-4
    stretch: float = 20.0
    control_period: float = 0.4
    parts: int = 5
    substep: float = 8e-4
    decisions: int = 10
    speed: float = 0.5
    strength: float = 6.0
    release: int = 0
    drag: float = 2.0
    self_contact: bool = True

    def __post_init__(self) -> None:
        if not self.grips or not all(self.grips):
            raise ConfigError("A rope task needs at least one gripper, and each holds at least one vertex.")
        if self.decisions < 2:
            raise ConfigError(f"{self.decisions} decisions are no episode; give at least 2.")

    @property
    def time_limit(self) -> float:
        """How long an episode lasts [s]."""
        return self.decisions * self.control_period

    @property
    def substeps(self) -> int:
        """In one part of a decision."""
        return max(1, round(self.control_period / self.parts / self.substep))
