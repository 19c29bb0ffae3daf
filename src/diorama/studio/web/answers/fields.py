"""Fields of versions as what the pages need: other programs write them too, so each may hold anything."""

import math
from collections.abc import Mapping
from typing import Any


def whole(value: Any) -> int:
    """A count; 0 for what is none."""
    return int(value) if is_number(value) and value > 0 else 0


def finite(value: Any) -> float | int | None:
    """A finite number; None for anything else."""
    return value if is_number(value) else None


def words(value: Any) -> tuple[str, ...]:
    """A list as texts; empty for anything else."""
    return tuple(str(one) for one in value) if isinstance(value, list | tuple) else ()


def mapping(value: Any) -> Mapping[str, Any]:
    """An object; empty for anything else."""
    return value if isinstance(value, Mapping) else {}


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
