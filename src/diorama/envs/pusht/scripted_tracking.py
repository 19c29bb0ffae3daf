"""Bringing Push-T's agent to a place through its control interface: exact feedback for the PD-controlled circle."""

import functools
from dataclasses import dataclass

import numpy as np

from diorama.core.errors import SpecError
from diorama.core.spec import EnvSpec
from diorama.envs.pusht.geometry import TABLE
from diorama.envs.pusht.physics import DAMPING, STIFFNESS, SUBSTEP


@dataclass(frozen=True)
class Controls:
    """How actions become targets of the agent's PD controller.

    ``relative``: the action is a displacement in px and the target moves linearly from the agent's place; otherwise it
    is the target's place itself, held for the whole control period. ``substeps`` of 0.01 s each; ``low`` and ``high``
    [2] bound the action.
    """

    relative: bool
    substeps: int
    low: tuple[float, float]
    high: tuple[float, float]

    @property
    def period(self) -> float:
        """The control period in s."""
        return self.substeps * SUBSTEP

    @property
    def reach(self) -> float:
        """The largest displacement of the target, per component, that a step may ask for (px)."""
        return float(min(self.high)) if self.relative else 100.0


def controls_of(spec: EnvSpec) -> Controls:
    """The interface that an environment's spec describes: relative where negative actions are allowed."""
    if spec.action.shape != (2,) or not spec.action.bounded:
        raise SpecError(f"{spec.name!r} has no bounded planar action; a scripted policy needs Push-T's [2].")
    low, high = spec.action.bounds()
    return Controls(
        bool(low.min() < 0), max(round(spec.control_period / SUBSTEP), 1), tuple(low.tolist()), tuple(high.tolist())
    )


@functools.cache
def _response(relative: bool, substeps: int) -> tuple[np.ndarray, np.ndarray]:
    """One control period per axis: ``[shift, velocity'] = free [2] * velocity + forced [2] * displacement``."""

    def run(velocity: float, displacement: float) -> np.ndarray:
        place = 0.0
        for index in range(substeps):
            target = displacement * (index + 1) / substeps if relative else displacement
            velocity += (STIFFNESS * (target - place) - DAMPING * velocity) * SUBSTEP
            place += velocity * SUBSTEP
        return np.array([place, velocity])

    return run(1.0, 0.0), run(0.0, 1.0)


@functools.cache
def _gains(relative: bool, substeps: int, pole: float) -> tuple[float, float]:
    """Gains on the place's error and on the velocity that put both poles of an axis at ``pole`` (per control step)."""
    free, forced = _response(relative, substeps)
    # In (place, velocity) the closed loop is [[1 - f0 g, r0 - f0 h], [-f1 g, r1 - f1 h]], with free = r, forced = f and
    # gains g and h. Its trace must be 2 pole and its determinant pole ** 2, which is linear in the gains.
    system = np.array([[forced[0], forced[1]], [forced[0] * free[1] - forced[1] * free[0], forced[1]]])
    wanted = np.array([1.0 + free[1] - 2.0 * pole, free[1] - pole**2])
    place_gain, velocity_gain = np.linalg.solve(system, wanted)
    return float(place_gain), float(velocity_gain)


def action_towards(
    controls: Controls, place: np.ndarray, velocity: np.ndarray, goal: np.ndarray, limit: float, pole: float = 0.12
) -> np.ndarray:
    """The action [2] that brings an agent at ``place`` [2] (px, ``velocity`` px/s) straight to ``goal`` [2].

    ``limit`` caps each component of the target's displacement (px); the direction is kept.
    """
    place_gain, velocity_gain = _gains(controls.relative, controls.substeps, pole)
    displacement = place_gain * (goal - place) - velocity_gain * velocity
    displacement = displacement * min(1.0, min(limit, controls.reach) / max(np.abs(displacement).max(), 1e-9))
    return action_of(controls, place, displacement)


def action_of(controls: Controls, place: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """The action [2] that displaces the target by ``displacement`` [2] (px) from the agent, within bounds and table."""
    target = np.clip(place + displacement, 0.0, TABLE)
    action = target - place if controls.relative else target
    return np.clip(action, controls.low, controls.high)


def next_velocity(controls: Controls, place: np.ndarray, velocity: np.ndarray, action: np.ndarray) -> np.ndarray:
    """The agent's velocity [2] (px/s) one control step after ``action`` [2] at ``place`` [2] with ``velocity`` [2]."""
    free, forced = _response(controls.relative, controls.substeps)
    displacement = action if controls.relative else action - place
    return free[1] * velocity + forced[1] * displacement
