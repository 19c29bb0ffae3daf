"""`check_env` passes good worlds, and each of its checks catches the world that breaks it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, ConformanceError, Env, EnvSpec, Factor, ScenarioSpace, field
from diorama.envs import ENVIRONMENTS, check_env, make
from diorama.imagine import Exact, as_env

SPEC = EnvSpec(
    "drift",
    {"state": ArraySpec((2,), low=-50.0, high=50.0)},
    ArraySpec((2,), low=-1.0, high=1.0),
    control_period=0.1,
    scenario=ScenarioSpace({"speed": Factor(1.0, 0.5, 2.0)}),
)


class Assembled(Env):
    """A world put together from functions, so that a test can break one of them."""

    spec: EnvSpec = field(static=True)
    resets: Callable = field(static=True)
    steps: Callable = field(static=True)
    observes: Callable = field(static=True)
    rewards: Callable = field(static=True)
    terminals: Callable = field(static=True)

    def reset(self, scenario, key):
        return self.resets(scenario, key)

    def step(self, state, action, key):
        return self.steps(state, action, key)

    def observe(self, state):
        return self.observes(state)

    def reward(self, state, action, next_state):
        return self.rewards(state, action, next_state)

    def terminal(self, state):
        return self.terminals(state)


def assembled(**parts: Any) -> Assembled:
    """A good world, with some parts replaced."""
    good = {
        "spec": SPEC,
        "resets": lambda scenario, key: jnp.concatenate([jax.random.normal(key, (2,)), scenario["speed"][None]]),
        "steps": lambda state, action, key: state.at[:2].add(0.1 * state[2] * action),
        "observes": lambda state: {"state": jnp.clip(state[:2], -50.0, 50.0)},
        "rewards": lambda state, action, following: -jnp.sum(following[:2] ** 2),
        "terminals": lambda state: jnp.abs(state[0]) > 40.0,
    }
    return Assembled(**good | parts)


CALLS: list[int] = []


def counting(state, action, key):
    CALLS.append(1)
    return state.at[0].add(0.001 * len(CALLS))


def noisy(state, action, key):
    return state + np.random.default_rng().normal(size=3).astype(np.float32)


def gambling(state, action, key):
    """Random where no key and no trace shows it."""
    kind = jax.ShapeDtypeStruct((3,), jnp.float32)
    return state + jax.pure_callback(lambda v: RANDOM.normal(size=3).astype(np.float32), kind, action)


RANDOM = np.random.default_rng(0)
BROKEN = {
    "gambling": ({"steps": gambling}, "The same key and actions give two episodes"),
    "names": ({"observes": lambda s: {"position": s[:2]}}, r"names \['position'\]"),
    "not a dict": ({"observes": lambda s: s[:2]}, "return a dict by name"),
    "shape": ({"observes": lambda s: {"state": s}}, r"shape \(3,\), its spec says \(2,\)"),
    "dtype": ({"observes": lambda s: {"state": s[:2].astype(jnp.int32)}}, "dtype int32"),
    "bounds": ({"observes": lambda s: {"state": s[:2] + 60.0}}, "leaves its bounds"),
    "not finite": ({"observes": lambda s: {"state": s[:2] / 0.0}}, "NaN or infinity"),
    "state not finite": ({"steps": lambda s, a, k: s.at[2].set(jnp.nan)}, "NaN or infinity"),
    "reward shape": ({"rewards": lambda s, a, f: -(a**2)}, r"`reward` has shape \(2,\)"),
    "reward dtype": ({"rewards": lambda s, a, f: jnp.zeros((), jnp.int32)}, "`reward` has dtype int32"),
    "reward not finite": ({"rewards": lambda s, a, f: jnp.log(-jnp.ones(()))}, "`reward` is not finite"),
    "terminal shape": ({"terminals": lambda s: s[:2] > 40.0}, r"`terminal` has shape \(2,\)"),
    "terminal dtype": ({"terminals": lambda s: jnp.zeros(())}, "`terminal` has dtype float32"),
    "over at reset": ({"terminals": lambda s: s[2] > 0.0}, "over as soon as it is reset"),
    "state form": ({"steps": lambda s, a, k: jnp.append(s, a)}, "another structure, shape or dtype than `reset`"),
    "branch on a value": ({"steps": lambda s, a, k: s if float(a[0]) > 0 else -s}, "jnp.where for branches"),
    "reset in Python": ({"resets": lambda c, k: jnp.ones(3) * float(c["speed"])}, "Compiling `reset` fails"),
    "hidden counter": ({"steps": counting}, "another function when it is taken again"),
    "hidden randomness": ({"steps": noisy}, "another function when it is taken again"),
    "random reset": (
        {"resets": lambda c, k: jnp.full(3, np.random.default_rng().normal())},
        "`reset` is another function",
    ),
    "dead factor": ({"resets": lambda c, k: jnp.ones(3) + 0 * c["speed"]}, "'speed' changes nothing"),
    "factor out of bounds": (
        {"observes": lambda s: {"state": s[:2] + jnp.where(s[2] > 1.9, 60.0, 0.0)}},
        "with factor 'speed' at its high bound 2.0 leaves its bounds",
    ),
    "action bound": (
        {"steps": lambda s, a, k: s.at[:2].add(jnp.where(a >= 1.0, 90.0, 0.0)), "observes": lambda s: {"state": s[:2]}},
        "with the action at its high bound leaves its bounds",
    ),
    "gradient": (
        {"rewards": lambda s, a, f: jnp.sqrt(jnp.sum((a - jax.lax.stop_gradient(a)) ** 2))},
        "gradient of step 0 .* is NaN",
    ),
    "action spec": ({"spec": EnvSpec("a", SPEC.observation, ArraySpec((1, 2)), 0.1)}, r"action has shape \(1, 2\)"),
    "action dtype": ({"spec": EnvSpec("a", SPEC.observation, ArraySpec((2,), dtype="int32"), 0.1)}, "make it a float"),
    "no spec": ({"spec": None}, "declare `spec: EnvSpec`"),
}


def test_a_good_world_passes() -> None:
    report = check_env(assembled())
    assert report.subject == "Assembled"
    assert len(report.passed) == 12
    assert "12 checks: spec, " in str(report)


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_is_named(fault: str) -> None:
    parts, message = BROKEN[fault]
    with pytest.raises(ConformanceError, match=message) as caught:
        check_env(assembled(**parts))
    assert str(caught.value).startswith("Assembled fails the check")


def test_a_world_that_vmap_cannot_batch_is_named() -> None:
    def steps(state, action, key):
        return jax.pure_callback(lambda s: np.asarray(s), jax.ShapeDtypeStruct((3,), jnp.float32), state)

    with pytest.raises(ConformanceError, match="vmap over worlds fails"):
        check_env(assembled(steps=steps))


def test_what_is_no_world_is_refused() -> None:
    with pytest.raises(ConformanceError, match="neither an Env nor a HostEnv"):
        check_env(object())


ELSEWHERE = "rope-"
"""Rope tasks: one class of worlds, which tests/envs/test_rope_tasks.py puts through the suite; and each by its own."""
NEEDS = {"push-t": "pymunk", "push-t-mujoco": "mujoco"}


@pytest.mark.parametrize("name", [name for name in ENVIRONMENTS if not name.startswith(ELSEWHERE)])
def test_every_registered_world_conforms(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{name} needs an extra of Diorama")
    assert check_env(make(name), steps=3).passed


def test_an_imagined_world_conforms() -> None:
    world = assembled()
    model = Exact(SPEC, world, lambda seen: jnp.concatenate([seen["state"], jnp.ones(1)]))
    assert check_env(as_env(model, {"state": jnp.zeros((2, 2))})).passed


def test_an_unknown_world_lists_the_names() -> None:
    from diorama.core import ConfigError

    with pytest.raises(ConfigError, match="there are ball-wall, cart-pole.*Did you mean 'pendulum'"):
        make("pendulun")
