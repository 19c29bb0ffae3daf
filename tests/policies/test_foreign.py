"""Policies of other frameworks in our worlds, and ours as plain callables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, EnvSpec, Policy, SpecError
from diorama.envs import from_gymnasium, run_host
from diorama.policies.constant import Constant
from diorama.policies.foreign import from_callable, to_callable, to_numpy

ONE = EnvSpec("one", {"state": ArraySpec((3,))}, ArraySpec((2,), low=-1.0, high=1.0), 0.1)
TWO = EnvSpec("two", {"eye": ArraySpec((2, 2)), "arm": ArraySpec((3,))}, ONE.action, 0.1)
SEEDS = np.arange(4)


class Tensor:
    """What a tensor of another framework looks like: no NumPy until it is detached and on this machine."""

    def __init__(self, data, detached=False, here=False) -> None:
        self.data, self.detached, self.here = data, detached, here

    def detach(self):
        return Tensor(self.data, True, self.here)

    def cpu(self):
        return Tensor(self.data, self.detached, True)

    def __array__(self, dtype=None, copy=None):
        assert self.detached and self.here, "a tensor with a gradient, or on a device, cannot become NumPy"
        return np.asarray(self.data, dtype)


def act(policy, spec, rng=None):
    rng = rng or np.random.default_rng(0)
    seen = {name: rng.normal(size=(4, *a.shape)).astype(np.float32) for name, a in spec.observation.items()}
    return policy.act(policy.init(spec, SEEDS), seen)[0], seen


def test_one_observation_comes_as_its_array() -> None:
    batched, seen = act(from_callable(lambda state: np.tanh(state[:, :2]), ONE, batched=True), ONE)
    single, _ = act(from_callable(lambda state: np.tanh(state[:2]).tolist(), ONE, batched=False), ONE)
    np.testing.assert_array_equal(batched, np.tanh(seen["state"][:, :2]))
    np.testing.assert_array_equal(single, batched)
    assert batched.dtype == single.dtype == np.float32


def test_several_observations_come_by_name() -> None:
    policy = from_callable(lambda seen: seen["arm"][:, :2] + seen["eye"][:, 0], TWO, batched=True)
    action, seen = act(policy, TWO)
    np.testing.assert_array_equal(action, seen["arm"][:, :2] + seen["eye"][:, 0])


def test_tensors_go_in_and_out() -> None:
    def network(tensor):
        assert isinstance(tensor, Tensor)
        return Tensor(np.tanh(tensor.data[:, :2]))

    action, seen = act(from_callable(network, ONE, batched=True, convert=Tensor), ONE)
    np.testing.assert_array_equal(action, np.tanh(seen["state"][:, :2]))
    np.testing.assert_array_equal(to_numpy(jnp.arange(3)), [0, 1, 2])


def test_the_callable_is_told_when_episodes_begin() -> None:
    told = []
    policy = from_callable(lambda state: state[:, :2], ONE, batched=True, begin=told.append)
    act(policy, ONE)
    np.testing.assert_array_equal(told, [SEEDS])


@pytest.mark.parametrize(
    ("function", "batched", "message"),
    [
        (lambda state: state, True, r"shape \(4, 3\); return \(4, 2\).*batched=True"),
        (lambda state: state[0, :2], False, "too many indices|IndexError"),
        (lambda state: state, False, r"shape \(4, 3\); return \(2,\)"),
        (lambda state: (state[:, :2], None), True, "returned tuple; let it return the action alone"),
        (lambda state: None, True, "returned NoneType"),
    ],
)
def test_a_wrong_answer_is_told_in_a_sentence(function, batched, message) -> None:
    with pytest.raises((SpecError, IndexError), match=message):
        act(from_callable(function, ONE, batched=batched), ONE)


def test_a_policy_for_another_world_is_refused() -> None:
    with pytest.raises(SpecError, match="made for another observation than that of 'two'"):
        from_callable(lambda state: state, ONE, batched=True).init(TWO, SEEDS)


def test_a_foreign_policy_runs_in_the_loop() -> None:
    world = from_gymnasium("Pendulum-v1")
    ours = run_host(world, Constant(jnp.ones(1)), [1, 2], length=5)
    theirs = run_host(world, from_callable(lambda state: [1.0], world.spec, batched=False), [1, 2], length=5)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)


class Tired(Policy):
    """Its action decays with every step and has noise."""

    def init(self, spec):
        return jnp.ones(())

    def act(self, memory, observation, key):
        return memory * observation["state"][:2] + 0.1 * jax.random.normal(key, (2,)), 0.5 * memory


def test_our_policy_is_a_callable_with_a_memory() -> None:
    policy, state = to_callable(Tired(), ONE), np.ones(3, np.float32)
    first, second = policy(state), policy({"state": state})
    assert first.shape == (2,) and abs(first - 1.0).max() < 0.5 and abs(second - 0.5).max() < 0.5
    policy.reset(0)
    np.testing.assert_array_equal(policy(state), first)
    policy.reset(1)
    assert not np.array_equal(policy(state), first)


def test_our_policy_acts_in_many_worlds_as_in_one() -> None:
    many, state = to_callable(Tired(), ONE, seeds=[5, 0]), np.ones((2, 3), np.float32)
    one = to_callable(Tired(), ONE)
    for _ in range(3):
        np.testing.assert_array_equal(many(state)[1], one(state[1]))
