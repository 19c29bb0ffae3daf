"""Whether what was made for one world can work in another."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from diorama.core import EnvSpec
from diorama.core.artifact import read_description
from diorama.core.canonical import from_json
from diorama.core.errors import SpecError
from diorama.core.spec import ArraySpec
from diorama.recipes.modelling import pictures_of


def spec_of(artifact: Path) -> EnvSpec:
    """The spec that an artifact was made for. Raises `DataError` where the folder is damaged."""
    return from_json(EnvSpec, read_description(artifact)["spec"], f"spec of {artifact}")


def check_match(what: str, needed: EnvSpec, given: EnvSpec) -> None:
    """Raise `SpecError` naming every mismatch where ``what``, made for the spec ``needed``, cannot work in ``given``.

    It needs its observations in the same shape and unit (``1`` also stands for an unknown unit), the same action, whose
    bounds may be narrower than those given, and the same control period. Further observations do not disturb.
    """
    if faults := list(_faults(needed, given)):
        raise SpecError(
            f"{what} was made for {needed.name!r} and does not fit {given.name!r}: {'; '.join(faults)}; "
            "use it with the world that it was made for."
        )


def check_visible(spec: EnvSpec) -> None:
    """Raise `SpecError` where an actor could not see this world, because it shows pictures."""
    if names := pictures_of(spec):
        raise SpecError(
            f"An actor sees vectors, and {spec.name!r} shows the pictures {names}; "
            "fit a world to vectors (diorama fit --observations ...) and train in that one."
        )


def _faults(needed: EnvSpec, given: EnvSpec) -> Iterator[str]:
    for name, array in needed.observation.items():
        if name in given.observation:
            yield from _array_faults(f"observation {name!r}", array, given.observation[name])
        else:
            yield f"observation {name!r} is not among {sorted(given.observation)}"
    yield from _array_faults("the action", needed.action, given.action)
    if needed.action.shape == given.action.shape and _leaves(needed.action, given.action):
        yield (
            f"the action's bounds [{needed.action.low}, {needed.action.high}] leave "
            f"[{given.action.low}, {given.action.high}]"
        )
    if not math.isclose(needed.control_period, given.control_period, rel_tol=1e-3):
        yield f"a step lasts {needed.control_period:g} s, not {given.control_period:g} s"


def _array_faults(what: str, needed: ArraySpec, given: ArraySpec) -> Iterator[str]:
    if needed.shape != given.shape:
        yield f"{what} has shape {needed.shape}, not {given.shape}"
    elif "1" not in (needed.unit, given.unit) and needed.unit != given.unit:
        yield f"{what} is in {needed.unit}, not {given.unit}"


def _leaves(needed: ArraySpec, given: ArraySpec) -> bool:
    low, high = needed.bounds()
    least, most = given.bounds()
    slack = 1e-3 * np.where(np.isfinite(most - least), most - least, 1.0)
    return bool((low < least - slack).any() or (high > most + slack).any())
