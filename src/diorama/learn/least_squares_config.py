"""How nonlinear least squares descend. JAX-free."""

from dataclasses import dataclass, replace

from diorama.core.errors import ConfigError


@dataclass(frozen=True)
class LeastSquaresConfig:
    """How to descend.

    Attributes:
        iterations: at most so many.
        tolerance: stop where one of them lowers the loss by less than this share.
        outlier: residuals beyond this size count by their size and not by its square.
        evidence: how many independent residuals the recordings are worth, against one for each prior.
        damping: of the first step.
    """

    iterations: int = 16
    tolerance: float = 2e-3
    outlier: float = 2.0
    evidence: float = 1e3
    damping: float = 1e-2

    def __post_init__(self) -> None:
        for name in ("iterations", "outlier", "evidence", "damping"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"Least squares need a positive {name}, not {getattr(self, name)}; give one.")

    def with_iterations(self, iterations: int) -> "LeastSquaresConfig":
        """The same with another limit of iterations."""
        return replace(self, iterations=iterations)
