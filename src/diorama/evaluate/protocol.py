"""Evaluate a policy: one episode per seed, every episode to its end, named metrics with intervals."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import numpy as np

from diorama.core import Env, HostEnv, Policy, Trajectory, filter_jit
from diorama.core.env import Scenario
from diorama.core.errors import ConfigError, SpecError
from diorama.core.host_policy import HostPolicy
from diorama.envs.adapters import Hosted, run_host
from diorama.envs.adapters.host import Progress, complete_scenario
from diorama.evaluate import intervals
from diorama.evaluate.intervals import Estimate
from diorama.imagine import rollout

Metric = Callable[[Trajectory], Any]
"""A named pure function of a batched trajectory: one number or one bool for each episode, [N]."""


@dataclass(frozen=True)
class Evaluation:
    """Scores of one policy in one world: for each metric the value of every episode, in the order of ``seeds``."""

    policy: str
    world: str
    seeds: tuple[int, ...]
    length: int
    scores: Mapping[str, np.ndarray]

    def estimate(self, metric: str, level: float = 0.95) -> Estimate:
        """The mean (or the rate, for a metric of booleans) with its interval."""
        values = self.scores[metric]
        return intervals.rate(values, level) if values.dtype == bool else intervals.mean(values, level)

    def versus(self, other: "Evaluation", metric: str, level: float = 0.95) -> Estimate:
        """The mean difference to another policy on the same seeds."""
        if (self.seeds, self.world, self.length) != (other.seeds, other.world, other.length):
            raise ConfigError("Compare evaluations in one world on the same seeds and length; run both alike.")
        return intervals.paired_difference(self.scores[metric], other.scores[metric], level)

    def to_json(self) -> dict[str, Any]:
        """A JSON-able record: the scores of every episode and the estimates."""
        return {
            "policy": self.policy,
            "world": self.world,
            "seeds": list(self.seeds),
            "length": self.length,
            "scores": {name: values.tolist() for name, values in self.scores.items()},
            "estimates": {name: asdict(self.estimate(name)) for name in self.scores},
        }


def evaluate(
    policy: Policy | HostPolicy,
    env: Env | HostEnv,
    *,
    seeds: np.ndarray,
    length: int,
    metrics: Mapping[str, Metric],
    name: str = "policy",
    scenario: Scenario | None = None,
    progress: Progress | None = None,
) -> tuple[Evaluation, Trajectory]:
    """Run one episode for each seed to its end and score it. Reality and imagination are evaluated alike.

    Returns the evaluation and the trajectories [N, ...]. Stopping at the first finished episodes would over-count the
    quick ones, so there is no such option.
    """
    seeds = np.asarray(seeds, np.int64)
    trajectory = run_episodes(env, policy, seeds, length, scenario, progress)
    scores = {metric: np.asarray(function(trajectory)) for metric, function in metrics.items()}
    return Evaluation(name, env.spec.name, tuple(int(s) for s in seeds), length, scores), trajectory


def run_episodes(
    env: Env | HostEnv,
    policy: Policy | HostPolicy,
    seeds: np.ndarray,
    length: int,
    scenario: Scenario | None = None,
    progress: Progress | None = None,
) -> Trajectory:
    """One episode for each seed in a world of either kind, as NumPy arrays [N, ...].

    A scenario value is shared by all worlds or has a leading axis N. A `HostPolicy` acts in a world in JAX step by
    step (`Hosted`). Raises `SpecError` for seeds outside 0 .. 2^32 - 1 and lengths below 1.
    """
    if isinstance(env, HostEnv):
        return run_host(env, policy, seeds, length, scenario, progress)
    if isinstance(policy, HostPolicy):
        return run_host(Hosted(env), policy, seeds, length, scenario, progress)
    seeds = _checked(seeds, length)
    scenario = complete_scenario(env.spec.scenario, scenario, len(seeds))
    return jax.tree.map(np.asarray, _run(env, policy, seeds, length, scenario))


def _checked(seeds: np.ndarray, length: int) -> np.ndarray:
    array = np.asarray(seeds)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= 2**32:
        raise SpecError(f"Seeds must be a list of at least one integer from 0 to 2^32 - 1, not {seeds!r}.")
    if length < 1:
        raise SpecError(f"A length of {length} steps is no episode; give at least 1.")
    return array.astype(np.uint32)


@filter_jit
def _run(env: Env, policy: Policy, seeds: Any, length: int, scenario: Scenario) -> Trajectory:
    def episode(seed: jax.Array, scenario: Scenario) -> Trajectory:
        reset_key, run_key = jax.random.split(jax.random.key(seed))
        start = env.reset(scenario, reset_key)
        return rollout(env, policy, start, length=length, key=run_key, scenario=scenario)

    return jax.vmap(episode)(seeds, scenario)


def episode_return(trajectory: Trajectory) -> np.ndarray:
    """Undiscounted sum of rewards of each episode [N], in the units of the reward."""
    return np.sum(np.asarray(trajectory.reward) * np.asarray(trajectory.mask), axis=-1)
