"""What worlds hide: real failures, replayed in every world from the same start with the same first actions.

A world in which the policy then succeeds hides the failure. The list of hidden modes is a world's blind-spot register;
a mode that every world hides can only be found in reality, so it is named first and drives the discovery purse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diorama.core import Env, EnvSpec, HostEnv, HostPolicy, Policy, Trajectory
from diorama.core.env import Scenario
from diorama.core.errors import ConfigError
from diorama.core.host_policy import as_host_policy
from diorama.envs.adapters import Hosted, run_host
from diorama.evaluate.failures.taxonomy import Mode
from diorama.evaluate.statistics.binomial import wilson
from diorama.evaluate.statistics.estimate import Estimate


@dataclass(frozen=True)
class BlindSpot:
    """One mode: the share of its failures that each world hides, and which worlds show it (``seen_in``) or hide it.

    A world hides a mode where it turns more than half of the mode's failures into successes.
    """

    mode: Mode
    hidden: Mapping[str, Estimate]
    seen_in: tuple[str, ...]
    hidden_by: tuple[str, ...]

    @property
    def everywhere(self) -> bool:
        """Whether every world hides it (and there is one)."""
        return bool(self.hidden_by) and not self.seen_in


class Prefixed(HostPolicy):
    """Recorded actions for the first ``steps`` of each episode, then a policy that saw everything from the start."""

    def __init__(self, policy: Policy | HostPolicy, actions: np.ndarray, steps: np.ndarray) -> None:
        self._policy, self._actions, self._steps = as_host_policy(policy), actions, steps

    def init(self, spec: EnvSpec, seeds: np.ndarray) -> Any:
        """The policy's memory, and step 0."""
        return self._policy.init(spec, seeds), 0

    def act(self, memory: Any, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, Any]:
        """The recorded action, or the policy's own."""
        held, step = memory
        own, held = self._policy.act(held, observation)
        recorded = self._actions[:, min(step, self._actions.shape[1] - 1)]
        return np.where((step < self._steps)[:, None], recorded, own), (held, step + 1)


def replay_failures(
    env: Env | HostEnv,
    policy: Policy | HostPolicy,
    failures: Trajectory,
    seeds: np.ndarray,
    *,
    share: float = 0.5,
    scenario: Scenario | None = None,
) -> Trajectory:
    """The failures ``[N, T, ...]`` again in another world: the first ``share`` of their actions, then the policy.

    They begin at the same starts. Raises `ConfigError` for a share outside of [0, 1].
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"The share of the actions that is replayed is {share}; give 0 to 1.")
    actions = np.asarray(failures.action)
    steps = np.floor(share * np.asarray(failures.mask).sum(axis=1)).astype(int)
    host = env if isinstance(env, HostEnv) else Hosted(env)
    return run_host(host, Prefixed(policy, actions, steps), seeds, actions.shape[1], scenario)


def blind_spots(
    modes: Sequence[Mode], seeds: np.ndarray, succeeded: Mapping[str, np.ndarray], level: float = 0.95
) -> list[BlindSpot]:
    """The register: modes hidden by all worlds first, then by how many worlds hide them, then by frequency.

    ``seeds`` [F] of the failures that were replayed, ``succeeded``: for each world whether the replay succeeded, [F].
    """
    place = {int(seed): number for number, seed in enumerate(seeds)}
    found = []
    for mode in modes:
        rows = [place[seed] for seed in mode.episodes if seed in place]
        if not rows:
            continue
        hidden = {
            name: wilson(int(np.asarray(won, bool)[rows].sum()), len(rows), level) for name, won in succeeded.items()
        }
        by = tuple(name for name, share in hidden.items() if share.value > 0.5)
        found.append(BlindSpot(mode, hidden, tuple(name for name in hidden if name not in by), by))
    return sorted(found, key=lambda spot: (not spot.everywhere, -len(spot.hidden_by), -len(spot.mode.episodes)))
