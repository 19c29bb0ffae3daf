"""One number of a validation case beside what it should be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """A value, what is expected, and the largest error allowed: relative, or absolute where ``absolute`` says so."""

    quantity: str
    value: float
    expected: float
    tolerance: float
    absolute: bool = False

    @property
    def error(self) -> float:
        """Of the value, relative to what is expected unless absolute."""
        away = self.value - self.expected
        return away if self.absolute else away / self.expected

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; a value that is no number never is."""
        return abs(self.error) <= self.tolerance
