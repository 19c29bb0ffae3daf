"""The checks of a `HostEnv` that ``diorama.envs.check.check_env`` runs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from diorama.core import DioramaError, HostEnv, Scenario
from diorama.core.conformance import attempt, expect, expect_spec, extremes, finite, random_array, same

_FAR_ACTION = 10.0
_WORLDS = 3
_HIDDEN = "draw all randomness from the seeds, and keep no state outside of `state`."
Seen = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]


class Case:
    """A host world, and the short episodes that the checks look at."""

    def __init__(self, env: HostEnv, steps: int, seed: int) -> None:
        self.env = env
        self.steps = steps
        self.seeds = np.arange(seed, seed + _WORLDS)
        rng = np.random.default_rng(seed)
        self.actions = [random_array(env.spec.action, rng, _WORLDS) for _ in range(steps)]
        self.default = env.spec.scenario.default()

    def reset(self, seeds: np.ndarray, scenario: Scenario | None = None) -> Any:
        """First states, or a `ConformanceError` where there is none."""
        mend = "`reset` takes integer seeds [N] and a scenario, for any N."
        return attempt(f"`reset` of {len(seeds)} worlds", mend, self.env.reset, seeds, scenario or self.default)

    def step(self, state: Any, action: np.ndarray) -> tuple[Any, Seen]:
        """One step, with everything copied that it shows."""
        following = attempt("`step`", "It takes actions [N, A].", self.env.step, state, action)
        reward = np.array(self.env.reward(state, action, following))
        return following, (self.observe(following), reward, np.array(self.env.terminal(following)))

    def observe(self, state: Any) -> dict[str, np.ndarray]:
        """Copies of the observations."""
        observation = self.env.observe(state)
        expect(isinstance(observation, dict), f"`observe` returns {type(observation).__name__}; return a dict by name.")
        return {name: np.array(array) for name, array in observation.items()}

    def episode(self, seeds: np.ndarray, actions: list[np.ndarray], scenario: Scenario | None = None) -> list[Seen]:
        """What is seen at reset and after each step, until a world ends."""
        state = self.reset(seeds, scenario)
        shown = [(self.observe(state), np.zeros(len(seeds)), np.array(self.env.terminal(state)))]
        for action in actions:
            if shown[-1][2].any():
                break
            state, seen = self.step(state, action)
            shown.append(seen)
        return shown


def _check_seen(case: Case, seen: Seen, when: str) -> None:
    observation, reward, terminal = seen
    spec = case.env.spec.observation
    wrong = f"`observe` names {sorted(observation)} {when}, the spec names {sorted(spec)}; make them the same."
    expect(set(observation) == set(spec), wrong)
    count = len(terminal)
    for name, array in observation.items():
        expect(
            len(array) == count, f"Observation {name!r} has {len(array)} rows for {count} worlds {when}; give one each."
        )
        for world in array:
            expect_spec(spec[name], world, f"Observation {name!r} {when}", "It is `observe` or the spec that is wrong.")
    expect(finite(reward), f"`reward` is not finite {when}; guard the arithmetic.")


def _observation(case: Case) -> None:
    state = case.reset(case.seeds)
    _check_seen(case, (case.observe(state), np.zeros(_WORLDS), np.zeros(_WORLDS, bool)), "after reset")
    for seen in case.episode(case.seeds, case.actions)[1:]:
        _check_seen(case, seen, "after a step")


def _reward_and_terminal(case: Case) -> None:
    _, reward, terminal = case.episode(case.seeds, case.actions[:1])[-1]
    expect(reward.shape == (_WORLDS,), f"`reward` has shape {reward.shape} for {_WORLDS} worlds; return [N].")
    expect(reward.dtype.kind == "f", f"`reward` has dtype {reward.dtype}; return floats.")
    expect(terminal.shape == (_WORLDS,), f"`terminal` has shape {terminal.shape} for {_WORLDS} worlds; return [N].")
    expect(terminal.dtype == bool, f"`terminal` has dtype {terminal.dtype}; return bools.")


def _alive_at_reset(case: Case) -> None:
    terminal = case.env.terminal(case.reset(case.seeds))
    expect(not np.any(terminal), "A world is over as soon as it is reset; draw first states where `terminal` is False.")


def _determinism(case: Case) -> None:
    first, second = (case.episode(case.seeds, case.actions) for _ in range(2))
    expect(same(first, second), f"The same seeds and actions give two episodes; {_HIDDEN}")


def _batch(case: Case) -> None:
    together = case.episode(case.seeds, case.actions)
    for world in range(_WORLDS):
        actions = [action[world : world + 1] for action in case.actions]
        alone = case.episode(case.seeds[world : world + 1], actions)
        inside = [_world(seen, world) for seen in together[: len(alone)]]
        expect(
            same(alone[: len(inside)], inside),
            "A seed alone gives another episode than in a batch; seed each world by its own seed, whatever its place.",
        )


def _world(seen: Seen, world: int) -> Seen:
    observation, reward, terminal = seen
    one = slice(world, world + 1)
    return {name: array[one] for name, array in observation.items()}, reward[one], terminal[one]


def _time(case: Case) -> None:
    state = case.reset(case.seeds)
    raw, first = case.env.observe(state), case.observe(state)
    following, seen = case.step(state, case.actions[0])
    raw_next = case.env.observe(following)
    case.step(following, case.actions[-1])
    expect(
        same((raw, raw_next), (first, seen[0])),
        "An observation that was handed out changes when the world goes on; return a copy, not the buffer.",
    )
    late = case.observe(following), np.array(case.env.reward(state, case.actions[0], following))
    expect(
        same((case.observe(state), *late), (first, *seen[:2])),
        "What a state shows changes once the world went on; let `observe` and `reward` depend on their arguments only.",
    )


def _rewind(case: Case) -> None:
    state = case.reset(case.seeds)
    _, first = case.step(state, case.actions[0])
    if not case.env.rewindable:
        _expect_refusal(case, state)
        return
    _, second = case.step(state, case.actions[0])
    expect(
        same(first, second),
        "Stepping twice from one state gives two results; set `rewindable = False` and refuse old states, or keep the "
        "whole state in `state`.",
    )


def _expect_refusal(case: Case, old: Any) -> None:
    try:
        case.env.step(old, case.actions[0])
    except DioramaError:
        return
    expect(False, "It is not rewindable but steps an old state without complaint; raise DioramaError, or rewind it.")


def _scenario_range(case: Case) -> None:
    for name, factor in case.env.spec.scenario.factors.items():
        for end in ("low bound", "high bound"):
            value = extremes(factor.spec)[end]
            for seen in case.episode(case.seeds, case.actions[:2], case.default | {name: value})[1:]:
                _check_seen(case, seen, f"with factor {name!r} at its {end} {np.asarray(value).tolist()}")


def _scenario_effect(case: Case) -> None:
    for name, factor in case.env.spec.scenario.factors.items():
        ends = extremes(factor.spec)
        if same(ends["low bound"], ends["high bound"]):
            continue
        low, high = (case.default | {name: ends[end]} for end in ("low bound", "high bound"))
        shown = [
            (_arrays(case.reset(case.seeds, scenario)), case.episode(case.seeds, case.actions, scenario))
            for scenario in (low, high)
        ]
        expect(
            not same(*shown),
            f"Factor {name!r} changes nothing; use scenario[{name!r}] in `reset`, or take it out of the spec.",
        )


def _arrays(state: Any) -> list[np.ndarray]:
    """The arrays in a state of any make, as far as lists, dicts, dataclasses and plain objects hold them."""
    if isinstance(state, dict):
        return [array for key in sorted(state, key=str) for array in _arrays(state[key])]
    if isinstance(state, list | tuple):
        return [array for item in state for array in _arrays(item)]
    if dataclasses.is_dataclass(state):
        return [array for f in dataclasses.fields(state) for array in _arrays(getattr(state, f.name))]
    return [np.array(state)] if isinstance(state, np.ndarray | np.generic | float | int | bool) else []


def _scenario_refusal(case: Case) -> None:
    nobody = "no such factor"
    try:
        case.env.reset(case.seeds, {**case.default, nobody: np.float32(0.0)})
    except DioramaError:
        return
    expect(False, "`reset` takes an unknown factor without complaint; call spec.scenario.check, which names it.")


def _action_bounds(case: Case) -> None:
    for name, action in extremes(case.env.spec.action, far=_FAR_ACTION).items():
        actions = [np.broadcast_to(action, (_WORLDS, *action.shape)).copy()] * case.steps
        for seen in case.episode(case.seeds, actions)[1:]:
            _check_seen(case, seen, f"with the action at its {name}")


def _nan_action(case: Case) -> None:
    state = case.reset(case.seeds)
    try:
        following = case.env.step(state, np.full_like(case.actions[0], np.nan))
    except (DioramaError, ValueError, AssertionError):
        return
    reward = np.array(case.env.reward(state, case.actions[0], following))
    expect(
        finite((case.observe(following), reward)),
        "An action that is NaN makes observations or rewards NaN; raise SpecError in `step`, for example by "
        "diorama.envs.adapters.check_actions.",
    )


CHECKS: dict[str, Callable[[Case], None]] = {
    "reward and terminal": _reward_and_terminal,
    "observation": _observation,
    "alive at reset": _alive_at_reset,
    "determinism": _determinism,
    "batch": _batch,
    "time": _time,
    "rewind": _rewind,
    "scenario range": _scenario_range,
    "scenario effect": _scenario_effect,
    "scenario refusal": _scenario_refusal,
    "action bounds": _action_bounds,
    "NaN action": _nan_action,
}
