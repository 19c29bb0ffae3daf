"""The factors of variation of Push-T. The defaults are gym-pusht 0.1.8."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from diorama.core.errors import SpecError
from diorama.core.spec import Factor, ScenarioSpace
from diorama.envs.pusht.geometry import DEFAULT_GOAL, DEFAULT_SCALE
from diorama.envs.pusht.physics import DEFAULT_RADIUS
from diorama.envs.pusht.render import AGENT_COLOUR, BACKGROUND_COLOUR, BLOCK_COLOUR, GOAL_COLOUR


def _corner(default: float, low: float, high: float, doc: str) -> Factor:
    return Factor((default, default), low, high, "px", doc, (2,))


def _colour(default: tuple[float, float, float], doc: str) -> Factor:
    return Factor(default, 0.0, 255.0, "1", f"{doc}, red, green, blue from 0 to 255", (3,))


SCENARIOS = ScenarioSpace(
    {
        "friction": Factor(0.0, 0.0, 1.0, "1", "Coulomb coefficient of the block with agent and walls"),
        "block_mass": Factor(1.0, 0.2, 5.0, "kg", "mass of the block; its moment of inertia stays that of 1 kg"),
        "block_scale": Factor(DEFAULT_SCALE, 20.0, 40.0, "px", "width of the block's bars"),
        "agent_radius": Factor(DEFAULT_RADIUS, 8.0, 25.0, "px", "radius of the agent"),
        "agent_low": _corner(50.0, 20.0, 250.0, "least start position of the agent, whole pixels"),
        "agent_high": _corner(450.0, 260.0, 492.0, "start positions of the agent are below this"),
        "block_low": _corner(100.0, 60.0, 250.0, "least start position of the block, whole pixels"),
        "block_high": _corner(400.0, 260.0, 452.0, "start positions of the block are below this"),
        "goal_position": Factor(DEFAULT_GOAL[:2], 100.0, 412.0, "px", "origin of the goal's frame", (2,)),
        "goal_angle": Factor(DEFAULT_GOAL[2], -np.pi, np.pi, "rad", "angle of the goal"),
        "goal_size": Factor(1.0, 0.8, 1.25, "1", "scale of the goal over the scale of the block"),
        "latency": Factor(0.0, 0.0, 0.5, "s", "time until a target reaches the agent, in steps of 0.01 s"),
        "agent_colour": _colour(AGENT_COLOUR, "agent"),
        "block_colour": _colour(BLOCK_COLOUR, "block"),
        "goal_colour": _colour(GOAL_COLOUR, "goal"),
        "background_colour": _colour(BACKGROUND_COLOUR, "table"),
    }
)


_DEFAULTS = {name: np.broadcast_to(np.float64(f.default), f.shape) for name, f in SCENARIOS.factors.items()}
_ROUNDED = {name: default.astype(np.float32).astype(np.float64) for name, default in _DEFAULTS.items()}


def exact(scenario: Mapping[str, Any], name: str) -> np.ndarray:
    """A factor as float64, [*batch, *factor shape]; its default where the scenario lacks it.

    Scenarios hold float32: a value that is the default rounded to float32 becomes the default itself, so that the
    default scenario is exactly gym-pusht.
    """
    if name not in scenario:
        return _DEFAULTS[name]
    value = np.asarray(scenario[name], np.float64)
    return np.where(value == _ROUNDED[name], _DEFAULTS[name], value)


def resolve(scenario: Mapping[str, Any], count: int) -> dict[str, np.ndarray]:
    """All factors as float64 [M, *factor shape], where M is 1 for a factor that all worlds share, else ``count``.

    Raises `SpecError` for unknown or missing factors, values out of range and a leading axis that is not ``count``.
    """
    if set(scenario) != set(SCENARIOS.factors):
        SCENARIOS.check(scenario)
    return {name: _rows(name, exact(scenario, name), count) for name in SCENARIOS.factors}


def _rows(name: str, value: np.ndarray, count: int) -> np.ndarray:
    factor = SCENARIOS.factors[name]
    if value.shape not in (factor.shape, (count, *factor.shape)):
        raise SpecError(f"Scenario factor {name!r} has shape {value.shape}; give {factor.shape} or one for each world.")
    rows = value.reshape(-1, *factor.shape)
    if (rows == rows[:1]).all():
        rows = rows[:1]
    if (rows != _DEFAULTS[name]).any():
        for row in rows:
            factor.spec.check(row.astype(np.float32), f"Scenario factor {name!r}")
    return rows
