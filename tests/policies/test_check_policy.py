"""`check_policy` passes good policies, and each of its checks catches the policy that breaks it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, ConformanceError, EnvSpec, HostPolicy, JittedPolicy, Policy, field
from diorama.policies.check import check_policy
from diorama.policies.foreign import from_callable

SPEC = EnvSpec("two", {"state": ArraySpec((2,))}, ArraySpec((2,), low=-1.0, high=1.0), 0.1)


class Assembled(Policy):
    """A policy put together from functions, so that a test can break one of them."""

    inits: Callable = field(static=True)
    acts: Callable = field(static=True)

    def init(self, spec):
        return self.inits(spec)

    def act(self, memory, observation, key):
        return self.acts(memory, observation, key)


def noise(key):
    return 0.1 * jax.random.normal(key, (2,))


def good_act(memory, observation, key):
    return jnp.tanh(observation["state"] + memory + noise(key)), memory + 1.0


def assembled(**parts: Any) -> Assembled:
    return Assembled(**{"inits": lambda spec: jnp.zeros(()), "acts": good_act} | parts)


CALLS: list[int] = []


def counting(memory, observation, key):
    CALLS.append(1)
    return jnp.tanh(observation["state"] * len(CALLS)), memory


def branching(memory, observation, key):
    return (jnp.ones(2) if float(observation["state"][0]) > 0 else -jnp.ones(2)), memory


def called_back(memory, observation, key):
    kind = jax.ShapeDtypeStruct((2,), jnp.float32)
    return jax.pure_callback(lambda v: v, kind, jnp.tanh(observation["state"])), memory


def gambling(memory, observation, key):
    """Random where no key and no trace shows it."""
    kind = jax.ShapeDtypeStruct((2,), jnp.float32)
    return jax.pure_callback(lambda v: RANDOM.uniform(-1, 1, 2).astype(np.float32), kind, observation["state"]), memory


RANDOM = np.random.default_rng(0)
BROKEN = {
    "gambling": ({"acts": gambling}, "The same memory, observation and key give two actions"),
    "out of bounds": ({"acts": lambda m, o, k: (2.0 * jnp.tanh(o["state"]), m)}, "bounds.*Keep the action inside"),
    "out of bounds far away": ({"acts": lambda m, o, k: (0.1 * o["state"], m)}, "at a low bound observation leaves"),
    "drifts out of bounds": ({"acts": lambda m, o, k: (jnp.zeros(2) + 0.6 * m, m + 1.0)}, "at a random . observation"),
    "not finite": ({"acts": lambda m, o, k: (jnp.tanh(jnp.log(o["state"])), m)}, "holds NaN"),
    "shape": ({"acts": lambda m, o, k: (o["state"][:1] * 0, m)}, r"shape \(1,\), its spec says \(2,\)"),
    "dtype": ({"acts": lambda m, o, k: (jnp.zeros(2, jnp.int32), m)}, "dtype int32"),
    "memory grows": ({"acts": lambda m, o, k: (jnp.zeros(2), jnp.append(m, 0.0))}, "memory of another structure"),
    "memory dtype": ({"inits": lambda s: jnp.zeros((), int), "acts": good_act}, "memory of another structure"),
    "hidden counter": ({"acts": counting}, "another function when it is called again"),
    "branch on a value": ({"acts": branching}, "Compiling `act` fails"),
    "no batch": ({"acts": called_back}, "jax.vmap over worlds fails"),
    "init": ({"inits": lambda spec: spec.nothing}, "`init` fails with AttributeError"),
}


def test_a_good_policy_passes() -> None:
    assert check_policy(assembled(), SPEC).passed == ("action", "memory", "purity", "determinism", "batch")


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_is_named(fault: str) -> None:
    parts, message = BROKEN[fault]
    with pytest.raises(ConformanceError, match=message) as caught:
        check_policy(assembled(**parts), SPEC)
    assert str(caught.value).startswith("Assembled fails the check")


class Host(HostPolicy):
    """A host policy put together from a function."""

    def __init__(self, function: Callable) -> None:
        self.function = function

    def init(self, spec, seeds):
        return [np.random.default_rng(int(seed)) for seed in seeds]

    def act(self, memory, observation):
        return self.function(memory, observation)


def draw(memory, observation):
    return np.stack([rng.uniform(-1, 1, 2) for rng in memory]).astype(np.float32), memory


HOST_BROKEN = {
    "out of bounds": (lambda m, o: (np.float32(1.5) + 0 * o["state"], m), "leaves its bounds"),
    "rows": (lambda m, o: (np.zeros((1, 2), np.float32), m), r"Actions have shape \(1, 2\); return \(3, 2\)"),
    "dtype": (lambda m, o: (np.zeros_like(o["state"], int), m), "dtype int64"),
    "no memory": (lambda m, o: np.tanh(o["state"]), "must return the actions and the next memory"),
    "unseeded": (
        lambda m, o: (np.random.default_rng().uniform(-1, 1, o["state"].shape).astype(np.float32), m),
        "The same seeds and observations give two episodes",
    ),
    "worlds mixed": (
        lambda m, o: (np.tanh(o["state"] - o["state"].mean(0)), m),
        "A world alone gets other actions than in a batch",
    ),
    "fails": (lambda m, o: m["nothing"], "`act` fails with TypeError"),
}


@pytest.mark.parametrize("fault", HOST_BROKEN)
def test_each_host_fault_is_named(fault: str) -> None:
    function, message = HOST_BROKEN[fault]
    with pytest.raises(ConformanceError, match=message):
        check_policy(Host(function), SPEC)


def test_good_host_policies_pass() -> None:
    assert check_policy(Host(draw), SPEC).passed == ("action", "determinism", "batch")
    assert check_policy(from_callable(np.tanh, SPEC, batched=True), SPEC).passed
    assert check_policy(JittedPolicy(assembled()), SPEC).passed


def test_what_is_no_policy_is_refused() -> None:
    with pytest.raises(ConformanceError, match="see policies.foreign"):
        check_policy(np.tanh, SPEC)
