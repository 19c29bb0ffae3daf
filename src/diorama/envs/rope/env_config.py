"""The default rope world in numbers. JAX-free."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError


@dataclass(frozen=True)
class GripConfig:
    """A soft grip: a spring with a damper to a target, with a largest force.

    Attributes:
        stiffness: [N/m].
        damping: [N s/m].
        strength: the largest force [N].
    """

    stiffness: float = 100.0
    damping: float = 1.0
    strength: float = 6.0

    def __post_init__(self) -> None:
        if not (self.stiffness > 0.0 and self.damping >= 0.0 and self.strength > 0.0):
            raise ConfigError("A grip needs a positive stiffness and strength, and a damping that is not negative.")


@dataclass(frozen=True)
class BodyConfig:
    """A free rigid body on the floor: a box, or a ball where ``half`` is the same number thrice and ``round``.

    Attributes:
        half: half edges of the box [m], or the radius of the ball, thrice.
        mass: [kg].
        ahead: where its centre starts, as a share of the rope's length along it from the first vertex.
        aside: how far to the left of the rope its centre starts [m].
        round: whether it is a ball.
    """

    half: tuple[float, float, float] = (0.03, 0.03, 0.03)
    mass: float = 0.1
    ahead: float = 0.5
    aside: float = 0.1
    round: bool = False

    def __post_init__(self) -> None:
        if not (min(self.half) > 0.0 and self.mass > 0.0):
            raise ConfigError("A body needs positive half edges and a positive mass.")
        if self.round and len(set(self.half)) > 1:
            raise ConfigError(f"A ball has one radius, not {self.half}; give the same number thrice.")


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
        grip: how the vertices are held; none: firmly, as told whatever the force.
        bodies: what lies about on the floor.
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
    grip: GripConfig | None = None
    bodies: tuple[BodyConfig, ...] = ()

    def __post_init__(self) -> None:
        if self.vertices < 4:
            raise ConfigError(f"A rope of {self.vertices} vertices cannot bend as it should; give at least 4.")
        if not self.held or not all(0 <= vertex < self.vertices for vertex in self.held):
            raise ConfigError(f"The held vertices {self.held} are not in 0 to {self.vertices - 1}; name at least one.")
        if self.substeps < 1 or self.sweeps < 1:
            raise ConfigError("A rope needs at least one sub-step and one sweep; give whole numbers from 1.")
