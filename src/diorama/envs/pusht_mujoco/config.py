"""What the MuJoCo scene has for free parameters. JAX-free."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError


@dataclass(frozen=True)
class Table:
    """How the tee rests on its table. 1 px of the other worlds is 1 mm here.

    ``friction``: Coulomb's coefficient between tee and table. ``timestep``: of the engine [s]; a substep of 0.01 s is a
    whole number of them. ``softness``: time constant of the contacts of the tee with agent and walls [s], at least two
    timesteps. ``recovery``: the rate at which an overlap of theirs closes [1/s]. A stiff spring would throw off a tee
    that the agent hit at speed.
    """

    friction: float = 1.0
    timestep: float = 0.0025
    softness: float = 0.005
    recovery: float = 6.0

    def __post_init__(self) -> None:
        if not min(self.friction, self.timestep, self.recovery) > 0:
            raise ConfigError("Table.friction, Table.timestep and Table.recovery must be positive.")
        if abs(0.01 / self.timestep - self.steps) > 1e-9:
            raise ConfigError(f"A timestep of {self.timestep} s does not divide 0.01 s; choose one that does.")
        if self.softness < 2 * self.timestep:
            raise ConfigError(f"A softness of {self.softness} s is below two timesteps; MuJoCo would not be stable.")

    @property
    def steps(self) -> int:
        """Steps of the engine in a substep of 0.01 s."""
        return round(0.01 / self.timestep)

    @property
    def damping(self) -> float:
        """MuJoCo's damping ratio of those contacts: stiffness over damping is then ``recovery``."""
        return (2.0 * self.softness * self.recovery) ** -0.5
