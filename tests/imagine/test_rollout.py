"""The one rollout: its gradient modes against finite differences, against each other, and its memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import Module, Policy
from diorama.envs.teaching import BallWall, CartPole, CartPoleState, Pendulum, PendulumState
from diorama.imagine import Decoupled, Exact, Stop, Through, as_env, rollout, swap
from diorama.policies.constant import Constant

KEY = jax.random.key(0)


class Linear(Policy):
    """``action = scale * tanh(weight . observation)``."""

    weight: jax.Array
    scale: float

    def init(self, spec):
        return None

    def act(self, memory, observation, key):
        return self.scale * jnp.tanh(self.weight @ observation["state"])[None], memory


def _cart_state(observation):
    motion = observation["state"]
    return CartPoleState(motion, jnp.asarray(0.1, motion.dtype), jnp.asarray(0.5, motion.dtype))


def _discounted(trajectory):
    return jnp.sum(trajectory.reward * 0.97 ** jnp.arange(trajectory.length))


def _cost(world, start, gradient, length=20):
    """A smooth score of the observations, differentiated with respect to the policy's weights."""

    def cost(weight):
        trajectory = rollout(world, Linear(weight, 2.0), start, length=length, key=KEY, gradient=gradient)
        return jnp.sum(jnp.square(trajectory.observation["state"])) + _discounted(trajectory)

    return cost


def _pendulum_start():
    return PendulumState(*(jnp.asarray(v) for v in (0.7, 0.1, 1.0, 1.0, 10.0)))


def test_through_equals_finite_differences() -> None:
    with jax.enable_x64(True):
        weight = jnp.array([0.3, -0.2, 0.5])
        cost = jax.jit(_cost(Pendulum(), _pendulum_start(), Through()))
        derivative = jax.grad(cost)(weight)
        step = 1e-6
        numeric = jnp.stack([(cost(weight + step * e) - cost(weight - step * e)) / (2 * step) for e in jnp.eye(3)])
        np.testing.assert_allclose(derivative, numeric, rtol=1e-6)


def test_decoupled_with_a_perfect_local_model_equals_through() -> None:
    with jax.enable_x64(True):
        world, weight = CartPole(), jnp.array([0.3, -0.2, 0.5, 0.1])
        start = CartPoleState(jnp.array([0.01, 0.02, 0.03, -0.01]), jnp.asarray(0.1), jnp.asarray(0.5))
        local = Exact(world.spec, world, _cart_state)
        through = jax.grad(_cost(world, start, Through()))(weight)
        decoupled = jax.grad(_cost(world, start, Decoupled(local)))(weight)
        np.testing.assert_allclose(decoupled, through, rtol=1e-10)
        assert float(jnp.linalg.norm(through)) > 1e-3


class Heavier(Module):
    """A start observation inverted into a cart-pole with another pole: a wrong local model."""

    def __call__(self, observation):
        state = _cart_state(observation)
        return CartPoleState(state.motion, state.pole_mass * 3, state.half_length * 2)


def test_decoupled_has_the_worlds_values_bit_for_bit_and_the_models_derivatives() -> None:
    world, weight = CartPole(), jnp.array([0.3, -0.2, 0.5, 0.1])
    start = CartPoleState(jnp.array([0.01, 0.02, 0.03, -0.01]), jnp.asarray(0.1), jnp.asarray(0.5))
    wrong = Decoupled(Exact(world.spec, world, Heavier()))

    def run(gradient):
        return jax.jit(lambda w: rollout(world, Linear(w, 2.0), start, length=20, key=KEY, gradient=gradient))(weight)

    for ours, theirs in zip(jax.tree.leaves(run(wrong)), jax.tree.leaves(run(Stop())), strict=True):
        np.testing.assert_array_equal(np.asarray(ours).view(np.uint8), np.asarray(theirs).view(np.uint8))
    right = jax.grad(_cost(world, start, Through()))(weight)
    other = jax.grad(_cost(world, start, wrong))(weight)
    assert float(jnp.linalg.norm(right - other)) > 1e-3 * float(jnp.linalg.norm(right))


def test_stop_cuts_the_chain() -> None:
    derivative = jax.grad(_cost(Pendulum(), _pendulum_start(), Stop()))(jnp.array([0.3, -0.2, 0.5]))
    np.testing.assert_array_equal(derivative, 0.0)


def test_swap_keeps_every_bit_of_the_value() -> None:
    value = jnp.array([-0.0, 1e-45, jnp.inf, 3.0])
    swapped, tangent = jax.jvp(lambda x: swap(value, jnp.full(4, 7.0) * x), (1.0,), (1.0,))
    np.testing.assert_array_equal(np.asarray(swapped).view(np.uint32), np.asarray(value).view(np.uint32))
    np.testing.assert_array_equal(tangent, 7.0)


@pytest.mark.parametrize("gradient", ["through", "decoupled"])
def test_a_long_gradient_over_many_worlds_fits(gradient: str) -> None:
    """2,048 steps over 64 worlds in 200 MB: temporary memory of the compiled program."""
    world = CartPole()
    mode = Through() if gradient == "through" else Decoupled(Exact(world.spec, world, _cart_state))
    starts = jax.vmap(lambda motion: _cart_state({"state": motion}))(jnp.zeros((64, 4)))

    def cost(weight, starts):
        return jax.vmap(lambda start: _cost(world, start, mode, 2048)(weight))(starts).sum()

    compiled = jax.jit(jax.grad(cost)).lower(jnp.zeros(4), starts).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 200e6


def test_a_model_is_an_environment() -> None:
    """A world imagined by its perfect model gives the world's own trajectory."""
    world = CartPole()
    state = world.reset(world.spec.scenario.default(), KEY)
    model = Exact(world.spec, world, _cart_state)
    imagined = as_env(model, {"state": state.motion[None]})
    policy, length = Constant(jnp.array([3.0])), 60
    real = rollout(world, policy, state, length=length, key=KEY)
    dream = rollout(imagined, policy, imagined.reset({}, KEY), length=length, key=KEY)
    np.testing.assert_array_equal(dream.observation["state"], real.observation["state"])
    np.testing.assert_array_equal(dream.reward, real.reward)
    np.testing.assert_array_equal(dream.end, real.end)
    assert real.end.any() and not real.mask.all()


def test_an_analytic_reward_replaces_the_learned_one() -> None:
    world = BallWall()
    model = Exact(world.spec, world, lambda observation: world.reset(world.spec.scenario.default(), KEY))
    imagined = as_env(model, {"state": jnp.zeros((1, 2))}, reward=lambda before, action, after: 5.0 + action[0])
    trajectory = rollout(imagined, Constant(jnp.ones(1)), imagined.reset({}, KEY), length=3, key=KEY)
    np.testing.assert_array_equal(trajectory.reward, 6.0)
