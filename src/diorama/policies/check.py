"""`check_policy`: does a policy keep the contract of `Policy` or `HostPolicy` in a world of this spec?"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from diorama.core import ConformanceError, EnvSpec, HostPolicy, Policy, filter_jit, is_array
from diorama.core.conformance import (
    Report,
    attempt,
    expect,
    expect_spec,
    extremes,
    form,
    random_array,
    run_checks,
    same,
    traces_alike,
)

_ROUNDING = 1e-4
_STEPS = 3
_WORLDS = 3
_IMPURE = "draw all randomness from the key (or the seeds), and keep all state in the memory."
_VMAP = "Write the policy for one world, with jax.numpy only; the batch is jax.vmap at the call."
_INSIDE = "Keep the action inside, for example by tanh or jnp.clip at its end."


def check_policy(policy: Any, spec: EnvSpec, key: PRNGKeyArray | None = None) -> Report:
    """Check a policy in a world of ``spec``; returns which checks it passed.

    The observations are random, and at their bounds (where unbounded, at 1000). The first fault raises
    `ConformanceError`, one sentence with the fault and its mend.
    """
    if not isinstance(policy, Policy | HostPolicy):
        raise ConformanceError(f"{type(policy).__name__} is neither a Policy nor a HostPolicy; see policies.foreign.")
    subject = type(policy).__name__
    if isinstance(policy, HostPolicy):
        return run_checks(subject, HOST_CHECKS, _HostCase(policy, spec))
    return run_checks(subject, CHECKS, _Case(policy, spec, jax.random.key(0) if key is None else key))


def _observations(spec: EnvSpec) -> dict[str, dict[str, np.ndarray]]:
    """Random and extreme observations, each with what to call it."""
    rng = np.random.default_rng(0)
    drawn = {f"random {n}": {k: random_array(a, rng) for k, a in spec.observation.items()} for n in range(_STEPS)}
    ends = {
        end: {k: extremes(a)[end] for k, a in spec.observation.items()} for end in ("low bound", "high bound", "middle")
    }
    return drawn | ends


class _Case:
    """A core policy and its compiled `act`."""

    def __init__(self, policy: Policy, spec: EnvSpec, key: PRNGKeyArray) -> None:
        self.policy, self.spec, self.key = policy, spec, key
        self.observations = _observations(spec)

    @cached_property
    def memory(self) -> Any:
        """The memory at the start of an episode."""
        return jax.tree.map(jnp.asarray, attempt("`init`", "It takes an EnvSpec.", self.policy.init, self.spec))

    def act(self, memory: Any, observation: Any) -> tuple[Any, Any]:
        """One compiled action and the next memory."""
        return attempt("Compiling `act`", _VMAP, _act, self.policy, memory, observation, self.key)


@filter_jit
def _act(policy: Policy, memory: Any, observation: Any, key: Any) -> tuple[Any, Any]:
    return policy.act(memory, observation, key)


def _action(case: _Case) -> None:
    for name, observation in case.observations.items():
        memory = case.memory
        for _ in range(_STEPS):
            action, memory = case.act(memory, observation)
            expect_spec(case.spec.action, action, f"The action at a {name} observation", _INSIDE)


def _memory(case: _Case) -> None:
    _, after = case.act(case.memory, case.observations["middle"])
    expect(
        form(after) == form(case.memory),
        "`act` returns a memory of another structure, shape or dtype than `init`, so no scan can carry it; make them "
        f"equal: {form(case.memory)[1]} and {form(after)[1]}.",
    )


def _purity(case: _Case) -> None:
    def arrays(policy: Policy, memory: Any, observation: Any, key: Any) -> list[Any]:
        return [leaf for leaf in jax.tree.leaves(policy.act(memory, observation, key)) if is_array(leaf)]

    arguments = case.policy, case.memory, case.observations["middle"], case.key
    alike = attempt("Tracing `act` twice", _IMPURE, traces_alike, arrays, *arguments)
    expect(alike, f"`act` is another function when it is called again; {_IMPURE}")


def _determinism(case: _Case) -> None:
    first, second = (case.act(case.memory, case.observations["random 0"]) for _ in range(2))
    expect(same(first, second), f"The same memory, observation and key give two actions; {_IMPURE}")


def _batch(case: _Case) -> None:
    named = list(case.observations.values())
    stacked = {name: np.stack([observation[name] for observation in named]) for name in case.spec.observation}

    def act(observation: Any) -> Any:
        return case.policy.act(case.memory, observation, case.key)[0]

    batched = attempt("jax.vmap over worlds", _VMAP, filter_jit(jax.vmap(act)), stacked)
    for row, observation in zip(batched, named, strict=True):
        alone = case.act(case.memory, observation)[0]
        expect(same(row, alone, _ROUNDING), f"An action in a batch differs from the same action alone. {_VMAP}")


class _HostCase:
    """A host policy, and short episodes of it."""

    def __init__(self, policy: HostPolicy, spec: EnvSpec) -> None:
        self.policy, self.spec = policy, spec
        self.observations = _observations(spec)
        self.seeds = np.arange(_WORLDS)
        named = [self.observations[f"random {world}"] for world in range(_WORLDS)]
        self.batch = {name: np.stack([one[name] for one in named]) for name in spec.observation}

    def episode(self, seeds: np.ndarray, batch: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The actions of a few steps."""
        memory = attempt("`init`", "It takes an EnvSpec and seeds [N].", self.policy.init, self.spec, seeds)
        actions = []
        for _ in range(_STEPS):
            given = {name: array.copy() for name, array in batch.items()}
            answer = attempt("`act`", "It takes observations [N, ...].", self.policy.act, memory, given)
            expect(isinstance(answer, tuple) and len(answer) == 2, "`act` must return the actions and the next memory.")
            actions.append(np.array(answer[0]))
            memory = answer[1]
        return actions


def _host_action(case: _HostCase) -> None:
    for name, observation in case.observations.items():
        batch = {key: np.stack([array] * _WORLDS) for key, array in observation.items()}
        for action in case.episode(case.seeds, batch):
            wanted = (_WORLDS, *case.spec.action.shape)
            expect(
                action.shape == wanted, f"Actions have shape {action.shape}; return {wanted}, one row for each world."
            )
            for row in action:
                expect_spec(case.spec.action, row, f"The action at a {name} observation", _INSIDE)


def _host_determinism(case: _HostCase) -> None:
    first, second = (case.episode(case.seeds, case.batch) for _ in range(2))
    expect(same(first, second), f"The same seeds and observations give two episodes; {_IMPURE}")


def _host_batch(case: _HostCase) -> None:
    together = case.episode(case.seeds, case.batch)
    for world in range(_WORLDS):
        one = slice(world, world + 1)
        alone = case.episode(case.seeds[one], {name: array[one] for name, array in case.batch.items()})
        inside = [action[one] for action in together]
        expect(
            same(alone, inside, _ROUNDING),
            "A world alone gets other actions than in a batch; let no world's action depend on another's.",
        )


CHECKS: dict[str, Callable[[_Case], None]] = {
    "action": _action,
    "memory": _memory,
    "purity": _purity,
    "determinism": _determinism,
    "batch": _batch,
}
HOST_CHECKS: dict[str, Callable[[_HostCase], None]] = {
    "action": _host_action,
    "determinism": _host_determinism,
    "batch": _host_batch,
}
