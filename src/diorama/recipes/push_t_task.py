"""Push-T at 5 Hz with relative actions, the interface of the coupled-world-models paper (arXiv 2602.06219)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from diorama.core import HostEnv
from diorama.envs.pusht import PushT, Relative, best_clipped_coverage, block_reached, success_coverage
from diorama.envs.pusht.coverage import REWARD_COVERAGE
from diorama.envs.pusht.metrics import coverage_shown
from diorama.envs.pusht.scripted import ScriptedDemonstrator, ScriptedPlay
from diorama.envs.pusht.starts import REGIONS
from diorama.evaluate.failures.pushing import WAYS
from diorama.imagine.host_world import Rules
from diorama.recipes.tasks import Physics, Task

LENGTH = 150
"""Steps of an episode: 30 s at 5 Hz, as long as the published 300 steps at 10 Hz."""
SUCCESS = "success (coverage > 95 %)"


def push_t(images: bool = False) -> Task:
    """gym-pusht's world; 150 steps of 0.2 s. The headline is the mean best clipped coverage."""
    observations = ("state", "features", "pixels") if images else ("state", "features")
    return Task(
        "push-t",
        lambda: PushT(Relative(), observations),
        LENGTH,
        {
            "best clipped coverage": best_clipped_coverage,
            SUCCESS: success_coverage,
            "block within 20 px and 20 deg": block_reached,
        },
        "best clipped coverage",
        {"play": lambda: ScriptedPlay(), "demonstrations": lambda: ScriptedDemonstrator()},
        SUCCESS,
        (*REGIONS, "goal_angle", "goal_position", "goal_size"),
        Rules(_reward, _ended),
        {
            "push-t-quasistatic": Physics("quasi-static", lambda found: _quasi_static(observations, found)),
            "push-t-mujoco": Physics("mujoco", lambda found: _mujoco(observations, found)),
        },
        ways=WAYS,
    )


def _reward(scenario: Mapping[str, Any], before: Any, action: np.ndarray, after: Mapping[str, Any]) -> np.ndarray:
    return np.minimum(coverage_shown(scenario, after) / REWARD_COVERAGE, 1.0)


def _ended(scenario: Mapping[str, Any], after: Mapping[str, Any]) -> np.ndarray:
    return coverage_shown(scenario, after) > REWARD_COVERAGE


def _quasi_static(observations: tuple[str, ...], found: Mapping[str, float]) -> HostEnv:
    from diorama.envs.pusht_quasistatic import HostQuasiStaticPushT, Parameters

    return HostQuasiStaticPushT(Relative(), observations, Parameters.of(**found) if found else None)


def _mujoco(observations: tuple[str, ...], found: Mapping[str, float]) -> HostEnv:
    from diorama.envs.pusht_mujoco import MuJoCoPushT, Table

    return MuJoCoPushT(Relative(), observations, Table(**found))
