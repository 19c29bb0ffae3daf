"""The factors of variation that a world without pictures can show: those of Push-T but for the colours."""

from collections.abc import Mapping
from typing import Any

from diorama.core.spec import ScenarioSpace
from diorama.envs.pusht.scenario import SCENARIOS

PHYSICAL = ScenarioSpace({name: f for name, f in SCENARIOS.factors.items() if not name.endswith("_colour")})
"""Push-T's factors without the four colours."""


def physical(scenario: Mapping[str, Any]) -> dict[str, Any]:
    """A scenario of Push-T without its colours."""
    return {name: value for name, value in scenario.items() if not name.endswith("_colour")}
