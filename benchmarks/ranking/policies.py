"""Policies of the ranking study that no artifact holds: disturbed ones, and planners. Addressed as ``file.py:name``."""

import pathlib
from typing import Any, final

import numpy as np

from diorama.core import EnvSpec, HostPolicy, Policy, as_host_policy
from diorama.envs.pusht.scripted import ScriptedDemonstrator
from diorama.imagine import as_env
from diorama.policies import PlannerConfig, load, mppi
from diorama.recipes.any_model import load as load_model
from diorama.recipes.loop import NEVER
from diorama.recipes.push_t_reward import PushTReward


@final
class Shaky(HostPolicy):
    """Another policy, of whose actions a share ``level`` is replaced by uniformly random ones."""

    def __init__(self, inner: HostPolicy, level: float) -> None:
        self.inner, self.level = inner, level

    def init(self, spec: EnvSpec, seeds: np.ndarray) -> Any:
        """The memory of the other policy, the seeds, the bounds of an action, and the step."""
        return self.inner.init(spec, seeds), seeds, spec.action.bounds(), 0

    def act(self, memory: Any, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, Any]:
        """The other policy's action, or a random one."""
        inner, seeds, (low, high), step = memory
        action, inner = self.inner.act(inner, observation)
        for row, seed in enumerate(seeds):
            rng = np.random.default_rng([int(seed), step])
            if rng.random() < self.level:
                action = np.array(action)
                action[row] = rng.uniform(low, high)
        return action, (inner, seeds, (low, high), step + 1)


def demonstrator(level: float) -> HostPolicy:
    """Scripted demonstrations with noise."""
    return Shaky(ScriptedDemonstrator(), level)


def mixed(policy: str, level: float, of: str) -> HostPolicy:
    """A policy's artifact with noise; ``of``: the digest of the artifact, which tells it from another one there."""
    return Shaky(as_host_policy(load(pathlib.Path(policy) / "policy")), level)


def planner(world: str, samples: int, of: str) -> Policy:
    """A sampling planner in a learned world; ``of``: the digest of that world."""
    model = load_model(pathlib.Path(world) / "world")
    nothing = {name: np.zeros((1, *array.shape), np.float32) for name, array in model.spec.observation.items()}
    env = as_env(model, nothing, reward=PushTReward(), threshold=NEVER)
    return mppi(env, PlannerConfig(horizon=8, samples=samples, rounds=1, elites=4), model.start)
