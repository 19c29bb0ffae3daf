"""The teaching worlds against their closed forms and against Gymnasium's own."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import Trajectory
from diorama.envs.teaching import (
    BallWall,
    BallWallState,
    CartPole,
    CartPoleState,
    Counter,
    DoublePendulum,
    DoublePendulumState,
    Pendulum,
    PendulumState,
    PointMass,
)
from diorama.imagine import rollout
from diorama.policies.constant import Constant

KEY = jax.random.key(0)


def test_counter_fixes_the_alignment_of_time() -> None:
    world = Counter()
    start = world.reset(world.spec.scenario.fix(limit=5), KEY)
    trajectory = rollout(world, Constant(jnp.zeros(1)), start, length=8, key=KEY)
    assert isinstance(trajectory, Trajectory)
    np.testing.assert_array_equal(trajectory.observation["state"][:, 0], [0, 1, 2, 3, 4, 5, 5, 5, 5])
    np.testing.assert_array_equal(trajectory.reward, [0, 1, 2, 3, 4, 0, 0, 0])
    np.testing.assert_array_equal(trajectory.mask, [1, 1, 1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(trajectory.end, [0, 0, 0, 0, 1, 0, 0, 0])


def test_point_mass_follows_the_parabola() -> None:
    world, force = PointMass(), jnp.array([0.5, -1.0])
    start = world.reset(world.spec.scenario.fix(mass=2.0), KEY)
    trajectory = rollout(world, Constant(force), start, length=30, key=KEY)
    time = np.arange(31)[:, None] * world.spec.control_period
    expected = np.asarray(start.position) + 0.5 * np.asarray(force) / 2.0 * time**2
    np.testing.assert_allclose(trajectory.observation["position"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("restitution", [0.3, 1.0])
def test_ball_returns_with_the_restitution(restitution: float) -> None:
    world = BallWall()
    state = BallWallState(*(jnp.asarray(v) for v in (0.95, 1.0, 1.0, restitution)))
    after = world.step(state, jnp.zeros(1), KEY)
    np.testing.assert_allclose(after.velocity, -restitution, rtol=1e-6)
    np.testing.assert_allclose(after.position, 1.0 - restitution * 0.05, rtol=1e-6)


def test_ball_derivative_changes_sign_at_the_wall() -> None:
    world = BallWall()

    def position(kick: jax.Array, start: float) -> jax.Array:
        state = BallWallState(*(jnp.asarray(v) for v in (start, 1.0, 1.0, 0.5)))
        return world.step(state, kick[None], KEY).position

    slope = jax.grad(position)
    np.testing.assert_allclose(slope(jnp.array(0.0), 0.5), 0.1, rtol=1e-6)
    np.testing.assert_allclose(slope(jnp.array(0.0), 0.95), -0.05, rtol=1e-6)


def test_pendulum_equals_gymnasium() -> None:
    theirs = gymnasium.make("Pendulum-v1").unwrapped
    theirs.reset(seed=3)
    world, rng = Pendulum(), np.random.default_rng(0)
    state = PendulumState(*(jnp.asarray(v, jnp.float32) for v in (*theirs.state, 1.0, 1.0, 10.0)))
    step = jax.jit(lambda s, a: (world.step(s, a, KEY), world.reward(s, a, s)))
    for _ in range(50):
        action = rng.uniform(-2, 2, 1).astype(np.float32)
        observed, reward, *_ = theirs.step(action)
        state, ours = step(state, action)
        np.testing.assert_allclose(world.observe(state)["state"], observed, atol=2e-3)
        np.testing.assert_allclose(ours, reward, atol=2e-2)


def test_cart_pole_equals_gymnasium() -> None:
    theirs = gymnasium.make("CartPole-v1").unwrapped
    observed, _ = theirs.reset(seed=3)
    world, rng = CartPole(), np.random.default_rng(0)
    state = CartPoleState(jnp.asarray(observed), jnp.asarray(0.1), jnp.asarray(0.5))
    step = jax.jit(lambda s, a: world.step(s, a, KEY))
    terminated, steps = False, 0
    while not terminated:
        action = int(rng.integers(2))
        observed, _, terminated, *_ = theirs.step(action)
        state = step(state, jnp.array([10.0 if action else -10.0]))
        np.testing.assert_allclose(state.motion, observed, atol=1e-4)
        assert bool(world.terminal(state)) == terminated
        steps += 1
    assert steps > 5


def test_double_pendulum_conserves_energy() -> None:
    world = DoublePendulum()
    with jax.enable_x64(True):
        one = jnp.asarray(1.0)
        state = DoublePendulumState(jnp.array([2.0, 1.0]), jnp.zeros(2), one, one)
        before = world.energy(state)
        step = jax.jit(lambda s: world.step(s, jnp.zeros(2), KEY))
        for _ in range(100):
            state = step(state)
        assert abs(float(world.energy(state) - before)) < 1e-4
        assert abs(float(state.angle[0] - 2.0)) > 0.1


def test_double_pendulum_has_the_normal_mode() -> None:
    """The slow mode swings with the second angle sqrt(2) times the first, at sqrt((2 - sqrt 2) g / l)."""
    world = DoublePendulum()
    frequency = np.sqrt((2 - np.sqrt(2)) * 9.81)
    with jax.enable_x64(True):
        one = jnp.asarray(1.0)
        state = DoublePendulumState(1e-4 * jnp.array([1.0, np.sqrt(2)]), jnp.zeros(2), one, one)
        step = jax.jit(lambda s: world.step(s, jnp.zeros(2), KEY))
        for number in range(1, 41):
            state = step(state)
            expected = 1e-4 * np.cos(frequency * 0.05 * number)
            assert abs(float(state.angle[0]) - expected) < 1e-8
