"""`run_host`: the one Python loop over host worlds. It returns the same `Trajectory` as ``diorama.imagine.rollout``."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diorama.core.env import HostEnv, Scenario, State
from diorama.core.errors import SpecError
from diorama.core.host_policy import HostPolicy, TruncatingHostEnv, as_host_policy
from diorama.core.policy import Policy
from diorama.core.spec import ArraySpec, EnvSpec, ScenarioSpace
from diorama.core.trajectory import Trajectory

_TOLERANCE = 1e-5
Progress = Callable[[int, int, int], None]
"""Called after every step with the number of steps done, ``length``, and the number of worlds still running."""


def run_host(
    env: HostEnv,
    policy: Policy | HostPolicy,
    seeds: Sequence[int] | np.ndarray,
    length: int,
    scenario: Scenario | None = None,
    progress: Progress | None = None,
) -> Trajectory:
    """Run one episode for each seed, all to their end: until the world ends, truncates itself, or ``length`` steps.

    Returns a `Trajectory` of NumPy arrays with a leading batch axis N = ``len(seeds)``. ``end`` says that the world
    ended. Where a world only ran out of time (``length``, or Gymnasium's ``TimeLimit``) ``end`` stays False; after a
    time limit of the world's own ``mask`` is False. After its last step a world's observation and action repeat and
    its reward is 0. ``scenario`` may leave out factors (they get their default); a value has the shape of its factor,
    or a leading axis N.

    An episode depends on its seed, never on the other seeds in the batch. Interrupting the loop (Ctrl-C) leaves nothing
    half done: the next call resets every world. Raises `SpecError` for an action out of its bounds or not finite, and
    for an observation or a reward that is not finite.
    """
    seeds = _check_seeds(seeds, length)
    scenario = complete_scenario(env.spec.scenario, scenario, len(seeds))
    actor = as_host_policy(policy)
    state, memory = env.reset(seeds, scenario), actor.init(env.spec, seeds)
    record = _Record(env.spec, env.observe(state), length)
    over = env.terminal(state) | _truncated(env, state)
    for step in range(length):
        if over.all():
            break
        action, memory = actor.act(memory, record.latest())
        action = check_actions(env.spec.action, action, ~over, record.last_action)
        following = env.step(state, action)
        ended = np.asarray(env.terminal(following))
        record.add(~over, action, env.reward(state, action, following), ended, env.observe(following))
        over = over | ended | _truncated(env, following)
        state = following
        if progress is not None:
            progress(step + 1, length, int((~over).sum()))
    return record.trajectory(scenario)


def check_actions(
    spec: ArraySpec, action: Any, live: np.ndarray | None = None, otherwise: np.ndarray | None = None
) -> np.ndarray:
    """Actions [N, A] as the world takes them, or `SpecError` naming the world, the index, the value and the bounds.

    Rounding beyond a bound by up to 1e-5 of the range is cut off. Worlds that are not ``live`` are not looked at; they
    get the action ``otherwise`` [N, A].
    """
    array = np.asarray(action)
    if array.ndim != 2 or array.shape[1:] != spec.shape:
        raise SpecError(
            f"Actions have shape {array.shape}, the spec says (N, {spec.size}); give one row for each world."
        )
    live = np.ones(len(array), bool) if live is None else live
    array = np.where(live[:, None], array, np.zeros_like(array) if otherwise is None else otherwise)
    low, high = spec.bounds()
    slack = _TOLERANCE * np.maximum(1.0, np.where(np.isfinite(high - low), high - low, 1.0))
    inside = np.isfinite(array) & (array >= low - slack) & (array <= high + slack)
    if not inside[live].all():
        world, index = np.argwhere(~inside & live[:, None])[0]
        label = f"{index} ({spec.names[index]})" if spec.names else f"{index}"
        raise SpecError(
            f"Action entry {label} of world {world} is {array[world, index]:.6g}, its bounds are "
            f"[{low[index]:.6g}, {high[index]:.6g}] {spec.unit}; let the policy stay inside, nothing clips it for you."
        )
    return np.clip(array, low.astype(spec.dtype), high.astype(spec.dtype)).astype(spec.dtype)


def complete_scenario(space: ScenarioSpace, scenario: Scenario | None, count: int) -> dict[str, np.ndarray]:
    """The scenario of ``count`` worlds: each factor [count, *shape], those left out at their default.

    Raises `SpecError` for unknown factors, wrong shapes and values out of range.
    """
    given = {name: np.asarray(value, np.float32) for name, value in (scenario or {}).items()}
    space.check(space.default() | {name: value for name, value in given.items() if name not in space.factors})
    merged = {}
    for name, value in (space.default() | given).items():
        shape = space.factors[name].shape
        if value.shape not in (shape, (count, *shape)):
            raise SpecError(f"Scenario factor {name!r} has shape {value.shape}; give {shape} or {(count, *shape)}.")
        merged[name] = np.broadcast_to(value, (count, *shape)).copy()
        for world in merged[name]:
            space.factors[name].spec.check(world, f"Scenario factor {name!r}")
    return merged


class _Record:
    """The arrays of the trajectory, filled step by step."""

    def __init__(self, spec: EnvSpec, first: dict[str, np.ndarray], length: int) -> None:
        if set(first) != set(spec.observation):
            raise SpecError(f"{spec.name!r} observes {sorted(first)}, its spec says {sorted(spec.observation)}.")
        count = len(next(iter(first.values())))
        self.observation = {name: np.empty((count, length + 1, *a.shape[1:]), a.dtype) for name, a in first.items()}
        self.action = np.zeros((count, length, spec.action.size), spec.action.dtype)
        self.reward = np.zeros((count, length), np.float32)
        self.end, self.mask = np.zeros((count, length), bool), np.zeros((count, length), bool)
        low, high = spec.action.bounds()
        self.last_action = np.broadcast_to(np.clip(0.0, low, high), (count, spec.action.size)).astype(spec.action.dtype)
        self.step = 0
        self._world = spec.name
        for name, array in first.items():
            self.observation[name][:, 0] = array
        self._check_finite(0)

    def latest(self) -> dict[str, np.ndarray]:
        """The newest observation of each world, a copy: a policy may write into it."""
        return {name: array[:, self.step].copy() for name, array in self.observation.items()}

    def add(
        self, live: np.ndarray, action: np.ndarray, reward: np.ndarray, ended: np.ndarray, seen: dict[str, np.ndarray]
    ) -> None:
        """One step; worlds that are not ``live`` repeat their observation."""
        t = self.step
        self.action[:, t], self.last_action = action, action
        self.reward[:, t] = np.where(live, reward, 0.0)
        self.end[:, t], self.mask[:, t] = ended & live, live
        for name, array in self.observation.items():
            array[:, t + 1] = array[:, t]
            array[live, t + 1] = np.asarray(seen[name])[live]
        self._check_finite(t + 1)
        self.step = t + 1

    def _check_finite(self, t: int) -> None:
        """A policy would only hand the NaN on, and be blamed for it."""
        shown = {f"Observation {name!r}": array[:, t] for name, array in self.observation.items()}
        for what, values in (shown | ({"The reward": self.reward[:, t - 1]} if t else {})).items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                world = int(np.argwhere(~np.isfinite(values))[0, 0])
                raise SpecError(
                    f"{what} of {self._world!r} is NaN or infinite in world {world} after {t} steps; mend the world."
                )

    def trajectory(self, scenario: dict[str, np.ndarray]) -> Trajectory:
        """What was recorded; the steps after the last one repeat it."""
        for array in self.observation.values():
            array[:, self.step + 1 :] = array[:, self.step, None]
        self.action[:, self.step :] = self.last_action[:, None]
        return Trajectory(self.observation, self.action, self.reward, self.end, self.mask, scenario)


def _check_seeds(seeds: Sequence[int] | np.ndarray, length: int) -> np.ndarray:
    array = np.asarray(seeds)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu" or (array < 0).any():
        raise SpecError(f"Seeds must be a list of at least one integer from 0 up, not {seeds!r}.")
    if length < 1:
        raise SpecError(f"A length of {length} steps is no episode; give at least 1.")
    return array.astype(np.int64)


def _truncated(env: HostEnv, state: State) -> np.ndarray | bool:
    return np.asarray(env.truncated(state)) if isinstance(env, TruncatingHostEnv) else False
