"""Push-T at 5 Hz with relative actions, the interface of the coupled-world-models paper (arXiv 2602.06219)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from diorama.core import HostEnv
from diorama.envs.pusht import PushT, Relative, best_clipped_coverage, block_reached, success_coverage
from diorama.envs.pusht.coverage import REWARD_COVERAGE
from diorama.envs.pusht.env import PushTState, features_of
from diorama.envs.pusht.metrics import coverage_shown
from diorama.envs.pusht.scripted import ScriptedDemonstrator, ScriptedPlay
from diorama.envs.pusht.starts import REGIONS
from diorama.evaluate.failures.pushing import WAYS
from diorama.imagine.host_world import Rules
from diorama.recipes.tasks import Physics, Task

LENGTH = 150
"""Steps of an episode: 30 s at 5 Hz, as long as the published 300 steps at 10 Hz."""
SUCCESS = "success (coverage > 95 %)"
PIXELS = {"push-t-pixels": 32, "push-t-pixels-64": 64, "push-t-pixels-96": 96}
"""The task in pictures by name, and their side."""
_TOGETHER = 16


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


def push_t_pixels(name: str = "push-t-pixels") -> Task:
    """`push_t` with pictures of the side that the name says, for policies that see nothing else.

    The reward that is recorded is `PushTReward` of the true state, for a learned head to be fitted to: coverage is 0
    almost everywhere and has no slope there. Scores are those of `push_t`; they do not read it.
    """
    seen, side = ("state", "features", "pixels"), PIXELS[name]
    env = lambda: PushT(Relative(), seen, pixels=side, reward=_dense)  # noqa: E731
    return replace(push_t(images=True), name=name, env=env, rules=None, physics={})


def _dense(state: PushTState) -> np.ndarray:
    """`PushTReward` of N worlds. Padded, so that one program serves and its last bits do not depend on N."""
    from diorama.recipes.push_t_reward import rewards

    seen = features_of(state)
    padded = np.concatenate([seen, np.repeat(seen[-1:], -len(seen) % _TOGETHER, axis=0)])
    return np.asarray(rewards(padded))[: len(seen)]


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
