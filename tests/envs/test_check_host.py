"""`check_env` on host worlds: good ones pass, and each check catches the world that breaks it."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest

from diorama.core import ArraySpec, ConformanceError, DioramaError, EnvSpec, Factor, HostEnv, ScenarioSpace
from diorama.envs import check_env, from_gymnasium
from diorama.envs.adapters import check_actions

SPEC = EnvSpec(
    "host drift",
    {"state": ArraySpec((2,), low=-50.0, high=50.0)},
    ArraySpec((2,), low=-1.0, high=1.0),
    control_period=0.1,
    scenario=ScenarioSpace({"speed": Factor(1.0, 0.5, 2.0)}),
)


def good_reset(env, seeds, scenario):
    env.spec.scenario.check(scenario)
    position = np.stack([np.random.default_rng(int(seed)).normal(size=2) for seed in seeds]).astype(np.float32)
    return position, np.broadcast_to(scenario["speed"], len(seeds)).astype(np.float32)


def good_step(env, state, action):
    position, speed = state
    return position + 0.1 * speed[:, None] * check_actions(env.spec.action, action), speed


class Assembled(HostEnv):
    """A host world put together from functions, so that a test can break one of them."""

    def __init__(self, rewindable: bool = True, **parts: Callable) -> None:
        self.spec, self.rewindable = SPEC, rewindable
        self.memory: dict[str, Any] = {"calls": 0}
        self.parts = {
            "reset": good_reset,
            "step": good_step,
            "observe": lambda env, state: {"state": state[0].copy()},
            "reward": lambda env, state, action, following: -np.sum(following[0] ** 2, axis=1),
            "terminal": lambda env, state: np.abs(state[0][:, 0]) > 40.0,
        } | parts

    def reset(self, seeds, scenario):
        return self.parts["reset"](self, seeds, scenario)

    def step(self, state, action):
        return self.parts["step"](self, state, action)

    def observe(self, state):
        return self.parts["observe"](self, state)

    def reward(self, state, action, next_state):
        return self.parts["reward"](self, state, action, next_state)

    def terminal(self, state):
        return self.parts["terminal"](self, state)


def unseeded(env, seeds, scenario):
    position, speed = good_reset(env, seeds, scenario)
    return position + np.random.default_rng().normal(size=position.shape).astype(np.float32), speed


def seeded_by_place(env, seeds, scenario):
    position, speed = good_reset(env, seeds, scenario)
    return position + np.arange(len(seeds), dtype=np.float32)[:, None], speed


def one_world_only(env, seeds, scenario):
    position, speed = good_reset(env, seeds, scenario)
    return position[:1], speed[:1]


def deaf_reset(env, seeds, scenario):
    env.spec.scenario.check(scenario)
    return good_reset(env, seeds, env.spec.scenario.default())


def trusting_reset(env, seeds, scenario):
    return good_reset(env, seeds, {"speed": scenario["speed"]})


def in_place(env, state, action):
    state[0][:] += 0.1 * state[1][:, None] * check_actions(env.spec.action, action)
    return state


def one_buffer(env, state):
    buffer = env.memory.setdefault(("buffer", len(state[0])), np.zeros_like(state[0]))
    buffer[:] = state[0]
    return {"state": buffer}


def last_seen(env, state):
    shown = env.memory.get("last", state[0])
    env.memory["last"] = state[0]
    return {"state": (shown if len(shown) == len(state[0]) else state[0]).copy()}


def forgetful(env, state, action):
    env.memory["calls"] += 1
    position, speed = good_step(env, state, action)
    return position + 0.01 * (env.memory["calls"] % 7), speed


def hidden_position(env, state, action):
    """Moves from where the world is now, not from the state that is given."""
    env.memory["now"] = env.memory["now"] + 0.1 * check_actions(env.spec.action, action)
    return env.memory["now"], state[1]


def hiding_reset(env, seeds, scenario):
    env.memory["now"], speed = good_reset(env, seeds, scenario)
    return env.memory["now"] * speed[:, None], speed


def unchecked(env, state, action):
    return state[0] + 0.1 * state[1][:, None] * action.astype(np.float32), state[1]


BROKEN = {
    "not a dict": ({"observe": lambda e, s: s[0]}, "return a dict by name"),
    "names": ({"observe": lambda e, s: {"position": s[0]}}, r"names \['position'\]"),
    "rows": ({"reset": one_world_only}, "1 rows for 3 worlds|shape"),
    "shape": ({"observe": lambda e, s: {"state": s[0][:, :1]}}, r"shape \(1,\), its spec says \(2,\)"),
    "dtype": ({"observe": lambda e, s: {"state": s[0].astype(np.float64)}}, "dtype float64"),
    "bounds": ({"observe": lambda e, s: {"state": s[0] + np.float32(60)}}, "leaves its bounds"),
    "reward shape": ({"reward": lambda e, s, a, f: np.float32(0.0)}, r"`reward` has shape \(\)"),
    "reward dtype": ({"reward": lambda e, s, a, f: np.ones(len(a), int)}, "`reward` has dtype int64"),
    "reward not finite": ({"reward": lambda e, s, a, f: np.full(len(a), np.inf)}, "`reward` is not finite"),
    "terminal shape": ({"terminal": lambda e, s: s[0] > 40.0}, r"`terminal` has shape \(3, 2\)"),
    "terminal dtype": ({"terminal": lambda e, s: np.zeros(len(s[0]))}, "`terminal` has dtype float64"),
    "over at reset": ({"terminal": lambda e, s: np.ones(len(s[0]), bool)}, "over as soon as it is reset"),
    "unseeded": ({"reset": unseeded}, "The same seeds and actions give two episodes"),
    "seeded by place": ({"reset": seeded_by_place}, "A seed alone gives another episode"),
    "one buffer": ({"observe": one_buffer}, "return a copy, not the buffer"),
    "a step late": ({"observe": last_seen}, "gives? (two|another) episodes?|changes once the world went on"),
    "state in place": ({"step": in_place}, "changes once the world went on"),
    "hidden state": ({"step": hidden_position, "reset": hiding_reset}, "Stepping twice from one state"),
    "hidden counter": ({"step": forgetful}, "The same seeds and actions give two episodes"),
    "old state taken": ({"rewindable": False}, "steps an old state without complaint"),
    "dead factor": ({"reset": deaf_reset}, "'speed' changes nothing"),
    "unknown factor taken": ({"reset": trusting_reset}, "takes an unknown factor without complaint"),
    "factor out of bounds": (
        {"observe": lambda e, s: {"state": s[0] + np.where(s[1] > 1.9, 60, 0).astype(np.float32)[:, None]}},
        "with factor 'speed' at its high bound 2.0 leaves its bounds",
    ),
    "action bound": (
        {"step": lambda e, s, a: (np.where(check_actions(SPEC.action, a) >= 1, 90, s[0]).astype(np.float32), s[1])},
        "with the action at its high bound leaves its bounds",
    ),
    "NaN action": ({"step": unchecked}, "An action that is NaN"),
    "reset fails": ({"reset": lambda e, seeds, c: seeds["a"]}, "`reset` of 3 worlds fails with IndexError"),
}


def test_a_good_host_world_passes() -> None:
    assert len(check_env(Assembled()).passed) == 13


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_is_named(fault: str) -> None:
    parts, message = BROKEN[fault]
    with pytest.raises(ConformanceError, match=message):
        check_env(Assembled(**parts))


def test_a_world_that_cannot_go_back_passes_when_it_says_so() -> None:
    def reset(env, seeds, scenario):
        state = good_reset(env, seeds, scenario)
        env.memory["newest"] = state
        return state

    def step(env, state, action):
        if state is not env.memory["newest"]:
            raise DioramaError("This world cannot go back.")
        env.memory["newest"] = good_step(env, state, action)
        return env.memory["newest"]

    assert check_env(Assembled(rewindable=False, reset=reset, step=step)).passed


@pytest.mark.parametrize("name", ["Pendulum-v1", "CartPole-v1", "MountainCarContinuous-v0", "Acrobot-v1"])
def test_gymnasiums_own_worlds_conform(name: str) -> None:
    world = from_gymnasium(name)
    assert check_env(world).passed
    world.close()


def test_a_gymnasium_world_with_a_fault_is_caught() -> None:
    class Shifted(gymnasium.ObservationWrapper):
        def observation(self, observation):
            return observation + 100.0

    with pytest.raises(ConformanceError, match="leaves its bounds"):
        check_env(from_gymnasium(lambda: Shifted(gymnasium.make("Pendulum-v1"))))
