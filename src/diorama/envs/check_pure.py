"""The checks of an `Env` that ``diorama.envs.check.check_env`` runs."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from diorama.core import Env, Scenario, combine, filter_jit, is_array, is_inexact_array, partition
from diorama.core.conformance import (
    attempt,
    expect,
    expect_spec,
    extremes,
    finite,
    form,
    random_array,
    same,
    traces_alike,
)

_ROUNDING = 1e-4
_FAR_ACTION = 10.0
_IMPURE = "keep all of the state in `state`, and draw all randomness from `key`."


class Case:
    """A world, and the short episodes that the checks look at."""

    def __init__(self, env: Env, steps: int, seed: int) -> None:
        self.env = env
        self.steps = steps
        self.key = jax.random.key(seed)
        rng = np.random.default_rng(seed)
        self.actions = [random_array(env.spec.action, rng) for _ in range(steps)]
        self.default = env.spec.scenario.default()
        self.sampled = {name: random_array(factor.spec, rng) for name, factor in env.spec.scenario.factors.items()}

    @cached_property
    def start(self) -> Any:
        """The first state under the default scenario."""
        mend = "Reset with jax.numpy only, and without branches on values."
        return attempt("Compiling `reset`", mend, _reset, self.env, self.default, self.key)

    @cached_property
    def step(self) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
        """One compiled step: ``(state, action, key) -> (state, (observation, reward, terminal))``."""
        env, mend = self.env, "Step with jax.numpy only: jnp.where for branches, no float() of an array."

        def step(state: Any, action: Any, key: Any) -> Any:
            return attempt("Compiling `step`, `observe`, `reward` and `terminal`", mend, _step, env, state, action, key)

        return step

    def episode(self, scenario: Scenario, actions: list[np.ndarray]) -> list[tuple[Any, Any]]:
        """The state and what is seen after each step."""
        state, shown = _reset(self.env, scenario, self.key), []
        for number, action in enumerate(actions):
            state, seen = self.step(state, action, jax.random.fold_in(self.key, number))
            shown.append((state, seen))
        return shown


@filter_jit
def _reset(env: Env, scenario: Scenario, key: Any) -> Any:
    return env.reset(scenario, key)


@filter_jit
def _step(env: Env, state: Any, action: Any, key: Any) -> tuple[Any, Any]:
    return _plain_step(env, state, action, key)


def _plain_step(env: Env, state: Any, action: Any, key: Any) -> tuple[Any, Any]:
    following = env.step(state, action, key)
    return following, (env.observe(following), env.reward(state, action, following), env.terminal(following))


@filter_jit
def _observe(env: Env, state: Any) -> tuple[Any, Any]:
    return env.observe(state), env.terminal(state)


def check_observation(case: Case, observation: Any, when: str) -> None:
    """Names, shapes, dtypes, bounds and finiteness of one observation."""
    expect(
        isinstance(observation, dict), f"`observe` returns {type(observation).__name__} {when}; return a dict by name."
    )
    spec = case.env.spec.observation
    wrong = f"`observe` names {sorted(observation)} {when}, the spec names {sorted(spec)}; make them the same."
    expect(set(observation) == set(spec), wrong)
    for name, array in observation.items():
        expect_spec(spec[name], array, f"Observation {name!r} {when}", "It is `observe` or the spec that is wrong.")


def _reset_is_jitted_and_scanned(case: Case) -> None:
    state, _ = case.step(case.start, case.actions[0], case.key)
    expect(
        form(state) == form(case.start),
        "`step` returns a state of another structure, shape or dtype than `reset`, so no scan can carry it; "
        f"make them equal: {form(case.start)[1]} and {form(state)[1]}.",
    )


def _observation(case: Case) -> None:
    observation, _ = _observe(case.env, case.start)
    check_observation(case, observation, "after reset")
    for state, seen in case.episode(case.default, case.actions):
        check_observation(case, seen[0], "after a step")
        expect(finite(state), "The state holds NaN or infinity after steps with random actions; guard the arithmetic.")


def _reward_and_terminal(case: Case) -> None:
    _, (_, reward, terminal) = case.step(case.start, case.actions[0], case.key)
    expect(jnp.shape(reward) == (), f"`reward` has shape {jnp.shape(reward)}; return a scalar.")
    expect(jnp.issubdtype(reward.dtype, jnp.floating), f"`reward` has dtype {reward.dtype}; return a float.")
    expect(finite(reward), "`reward` is not finite; guard the arithmetic.")
    expect(jnp.shape(terminal) == (), f"`terminal` has shape {jnp.shape(terminal)}; return a scalar.")
    expect(terminal.dtype == bool, f"`terminal` has dtype {terminal.dtype}; return a bool.")


def _alive_at_reset(case: Case) -> None:
    _, terminal = _observe(case.env, case.start)
    expect(not terminal, "The world is over as soon as it is reset; let `reset` draw states where `terminal` is False.")


def _purity(case: Case) -> None:
    again = traces_alike(lambda scenario, key: _arrays(case.env.reset(scenario, key)), case.default, case.key)
    expect(again, f"`reset` is another function when it is called again; {_IMPURE}")

    def stepped(state: Any, action: Any, key: Any) -> Any:
        return _arrays(_plain_step(case.env, state, action, key))

    mend = "Store nothing from inside `step`; it must only return."
    again = attempt("Tracing `step` twice", mend, traces_alike, stepped, case.start, case.actions[0], case.key)
    expect(again, f"A step is another function when it is taken again; {_IMPURE}")


def _arrays(value: Any) -> list[Any]:
    return [leaf for leaf in jax.tree.leaves(value) if is_array(leaf)]


def _determinism(case: Case) -> None:
    first, second = (case.episode(case.sampled, case.actions) for _ in range(2))
    expect(same(first, second), f"The same key and actions give two episodes; {_IMPURE}")


def _batch(case: Case) -> None:
    keys = jax.random.split(case.key, 3)
    mend = "Write the world for one world, with jax.numpy only; the batch is jax.vmap at the call."

    def both(scenario: Scenario, key: Any, action: Any) -> Any:
        return _plain_step(case.env, case.env.reset(scenario, key), action, key)

    actions = np.stack([case.actions[number % case.steps] for number in range(3)])
    batched = attempt(
        "jax.vmap over worlds", mend, filter_jit(jax.vmap(both, (None, 0, 0))), case.sampled, keys, actions
    )
    for world in range(3):
        alone = case.step(_reset(case.env, case.sampled, keys[world]), actions[world], keys[world])
        inside = jax.tree.map(lambda leaf, world=world: leaf[world], batched)
        expect(same(alone, inside, _ROUNDING), f"A world in a batch differs from the same world alone; {mend}")


def _scenario_range(case: Case) -> None:
    for name, factor in case.env.spec.scenario.factors.items():
        for end in ("low bound", "high bound"):
            value = extremes(factor.spec)[end]
            when = f"with factor {name!r} at its {end} {np.asarray(value).tolist()}"
            for _, seen in case.episode(case.default | {name: value}, case.actions[:2]):
                check_observation(case, seen[0], when)
    for _, seen in case.episode(case.sampled, case.actions):
        check_observation(case, seen[0], f"under the scenario {case.sampled}")


def _scenario_effect(case: Case) -> None:
    for name, factor in case.env.spec.scenario.factors.items():
        ends = extremes(factor.spec)
        low, high = (case.default | {name: ends[end]} for end in ("low bound", "high bound"))
        if same(ends["low bound"], ends["high bound"]):
            continue
        differs = not same(case.episode(low, case.actions), case.episode(high, case.actions))
        expect(
            differs, f"Factor {name!r} changes nothing; use scenario[{name!r}] in `reset`, or take it out of the spec."
        )


def _action_bounds(case: Case) -> None:
    for name, action in extremes(case.env.spec.action, far=_FAR_ACTION).items():
        for state, seen in case.episode(case.default, [action] * case.steps):
            check_observation(case, seen[0], f"with the action at its {name}")
            expect(finite((state, seen[1])), f"State or reward is not finite with the action at its {name}; guard it.")


def _gradient(case: Case) -> None:
    def score(differentiable: Any, rest: Any, key: Any) -> Any:
        following, (observation, reward, _) = _plain_step(case.env, *combine(differentiable, rest), key)
        return reward + sum(
            jnp.sum(leaf) for leaf in jax.tree.leaves((following, observation)) if is_inexact_array(leaf)
        )

    slope = filter_jit(jax.grad(score))
    mend = "Differentiate through jax.numpy only, or stop the gradient where there is none."
    states = [case.start, *(state for state, _ in case.episode(case.default, case.actions))]
    for number, (state, action) in enumerate(zip(states, [*case.actions, case.actions[0]], strict=True)):
        differentiable, rest = partition((state, jnp.asarray(action)), is_inexact_array)
        key = jax.random.fold_in(case.key, number)
        gradient = attempt("The gradient of a step", mend, slope, differentiable, rest, key)
        expect(
            finite(gradient),
            f"The gradient of step {number} with respect to state and action is NaN or infinite; look for sqrt, norm, "
            "arccos or a division at 0, and guard the argument, not the result, with jnp.where.",
        )


CHECKS: dict[str, Callable[[Case], None]] = {
    "reset and step compile and carry one state": _reset_is_jitted_and_scanned,
    "observation": _observation,
    "reward and terminal": _reward_and_terminal,
    "alive at reset": _alive_at_reset,
    "purity": _purity,
    "determinism": _determinism,
    "batch": _batch,
    "scenario range": _scenario_range,
    "scenario effect": _scenario_effect,
    "action bounds": _action_bounds,
    "gradient": _gradient,
}
