"""What a rod is made of, in numbers. JAX-free."""

import math
from dataclasses import dataclass

from diorama.core.errors import ConfigError


@dataclass(frozen=True)
class RodConfig:
    """Material and section of a uniform rod: a disc of ``radius``, or any section by its own stiffnesses.

    Attributes:
        radius: of the section [m]; also the radius of contact.
        young: Young's modulus [Pa].
        poisson: Poisson's ratio, for the shear modulus ``young / (2 (1 + poisson))``.
        density: [kg/m^3].
        closed: whether the last vertex is joined to the first.
        flatness: area moment about the second director over that about the first; 1 is round.
        rest_curvature: about the two directors, stress-free [1/m].
        rest_twist: stress-free [rad/m].
    """

    radius: float = 0.01
    young: float = 1e8
    poisson: float = 0.5
    density: float = 1000.0
    closed: bool = False
    flatness: float = 1.0
    rest_curvature: tuple[float, float] = (0.0, 0.0)
    rest_twist: float = 0.0

    def __post_init__(self) -> None:
        positive = {name: getattr(self, name) for name in ("radius", "young", "density", "flatness")}
        for name, value in positive.items():
            if not value > 0:
                raise ConfigError(f"A rod's {name} of {value} is impossible; give a positive number.")
        if not -1.0 < self.poisson <= 0.5:
            raise ConfigError(f"Poisson's ratio {self.poisson} is impossible; give one above -1 and up to 0.5.")

    @property
    def area(self) -> float:
        """Of the section [m^2]."""
        return math.pi * self.radius**2

    @property
    def moments(self) -> tuple[float, float]:
        """Area moments about the two directors [m^4]."""
        round_moment = math.pi * self.radius**4 / 4.0
        return round_moment, round_moment * self.flatness

    @property
    def line_density(self) -> float:
        """Mass per length [kg/m]."""
        return self.density * self.area

    @property
    def polar_density(self) -> float:
        """Polar moment of inertia per length [kg m]."""
        return self.density * sum(self.moments)

    @property
    def stretch_stiffness(self) -> float:
        """EA [N]."""
        return self.young * self.area

    @property
    def bend_stiffness(self) -> tuple[float, float]:
        """EI about the two directors [N m^2]."""
        return self.young * self.moments[0], self.young * self.moments[1]

    @property
    def twist_stiffness(self) -> float:
        """GJ [N m^2], with the polar moment of a round section."""
        return self.young / (2.0 * (1.0 + self.poisson)) * sum(self.moments)
