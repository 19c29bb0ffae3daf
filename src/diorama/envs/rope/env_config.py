"""The default rope world in numbers. JAX-free."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError


@dataclass(frozen=True)
class RopeConfig:
    """A rope of ``vertices`` on a floor, held at the vertices ``held``, whose velocities are the action.

    Attributes:
        vertices: of the rope.
        held: indices of the vertices that are grasped.
        substeps: in one control period.
        control_period: [s].
        speed: largest velocity of a grasped vertex along an axis [m/s].
        radius: of the rope [m].
        drag: rate at which motion decays [1/s].
        self_contact: whether the rope touches itself.
        sweeps: how often friction and lengths are settled in turn within a sub-step.
    """

    vertices: int = 21
    held: tuple[int, ...] = (0,)
    substeps: int = 40
    control_period: float = 0.02
    speed: float = 0.5
    radius: float = 0.005
    drag: float = 1.0
    self_contact: bool = False
    sweeps: int = 2

    def __post_init__(self) -> None:
        if self.vertices < 4:
            raise ConfigError(f"A rope of {self.vertices} vertices cannot bend as it should; give at least 4.")
        if not self.held or not all(0 <= vertex < self.vertices for vertex in self.held):
            raise ConfigError(f"The held vertices {self.held} are not in 0 to {self.vertices - 1}; name at least one.")
        if self.substeps < 1 or self.sweeps < 1:
            raise ConfigError("A rope needs at least one sub-step and one sweep; give whole numbers from 1.")
