"""Identify the table of the MuJoCo scene from real transitions."""

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from diorama.core.env import Scenario
from diorama.core.trajectory import Window
from diorama.envs.pusht.interface import Interface
from diorama.envs.pusht_mujoco.config import Table
from diorama.envs.pusht_mujoco.env import MuJoCoPushT
from diorama.envs.pusht_quasistatic.calibration import NEAR, block_difference, moving

BOUNDS = (0.3, 100.0)
"""Where the table's friction is looked for."""


class IdentifiedTable(NamedTuple):
    """The table found, root mean squared errors [px] before and after, and how many windows had contact."""

    table: Table
    before: float
    after: float
    windows: int


def identify_table(
    interface: Interface, windows: Window, start: Table | None = None, scenario: Scenario | None = None
) -> IdentifiedTable:
    """Fit the table's friction so that the block's motion over windows ``[N, T]`` of real interaction is reproduced.

    The windows, the error and its robust cost are those of `diorama.envs.pusht_quasistatic.identify`; the search is
    Brent's, over the logarithm. The other fields of ``start`` stay. Raises `SpecError` where no window has contact.
    """
    windows, start = moving(windows), start or Table()

    def errors(friction: float) -> np.ndarray:
        return _errors(interface, windows, dataclasses.replace(start, friction=friction), scenario)

    def cost(logarithm: float) -> float:
        return float(np.sum(np.sqrt(1 + (errors(float(np.exp(logarithm))) / NEAR) ** 2) - 1))

    found = minimize_scalar(cost, bounds=tuple(np.log(BOUNDS)), method="bounded", options={"xatol": 0.05})
    friction = float(np.exp(found.x))
    before, after = (float(np.sqrt(np.mean(errors(value) ** 2))) for value in (start.friction, friction))
    return IdentifiedTable(dataclasses.replace(start, friction=friction), before, after, len(windows.action))


def imagined(
    world: MuJoCoPushT, first: np.ndarray, actions: np.ndarray, scenario: Scenario | None = None
) -> np.ndarray:
    """The ``features`` [N, T, 8] after each of the ``actions`` [N, T, 2] from the first ``features`` [N, 8]."""
    poses = np.column_stack([first[:, 0:2], first[:, 4:6], np.arctan2(first[:, 7], first[:, 6])])
    state = world.reset_to(poses, scenario or world.spec.scenario.default(), first[:, 2:4])
    shown = []
    for action in np.moveaxis(actions, 1, 0):
        state = world.step(state, action)
        shown.append(world.observe(state)["features"])
    return np.stack(shown, axis=1)


def _errors(interface: Interface, windows: Window, table: Table, scenario: Scenario | None) -> np.ndarray:
    seen = np.asarray(windows.observation["features"])
    said = imagined(MuJoCoPushT(interface, ("features",), table), seen[:, 0], np.asarray(windows.action), scenario)
    error = np.asarray(block_difference(said, seen[:, 1:]), np.float64)
    return (error * np.asarray(windows.mask)[..., None]).reshape(-1)
