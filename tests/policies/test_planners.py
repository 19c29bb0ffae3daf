import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, ConfigError, Env, EnvSpec, field
from diorama.imagine import rollout
from diorama.policies import PlannerConfig, RandomPolicy, cem, mppi
from diorama.policies.planners import Elites, Weighted

CONFIG = PlannerConfig(horizon=8, samples=64, rounds=3, elites=8)


class Cart(Env):
    """A cart whose position moves by the action: bounds lie off centre on purpose."""

    spec: EnvSpec = field(
        static=True,
        default=EnvSpec("cart", {"x": ArraySpec((1,), "m")}, ArraySpec((1,), "m", -0.2, 0.6), 0.1),
    )

    def reset(self, scenario, key):
        return jnp.zeros(1)

    def step(self, state, action, key):
        return state + action

    def observe(self, state):
        return {"x": state}

    def reward(self, state, action, next_state):
        return -((next_state[0] - 2.0) ** 2)

    def terminal(self, state):
        return jnp.zeros((), bool)


def begin(observation, key):
    return observation["x"]


@pytest.mark.parametrize("planner", [mppi, cem])
def test_planners_reach_the_goal_inside_the_bounds(planner):
    env = Cart()
    policy = planner(env, CONFIG, begin)
    run = jax.jit(lambda key: rollout(env, policy, jnp.array([3.0]), length=16, key=key))
    seen = run(jax.random.key(0))
    assert np.all(seen.action >= -0.2) and np.all(seen.action <= 0.6)
    assert abs(seen.observation["x"][-1, 0] - 2.0) < 0.1
    blind = rollout(env, RandomPolicy(env.spec), jnp.array([3.0]), length=16, key=jax.random.key(0))
    assert seen.reward.sum() > blind.reward.sum()


def test_the_plan_is_carried_over_and_shifted():
    policy = mppi(Cart(), CONFIG, begin)
    memory = policy.init(policy.env.spec)
    action, after = policy.act(memory, {"x": jnp.array([0.0])}, jax.random.key(1))
    assert after.shape == memory.shape and np.any(after != memory)
    np.testing.assert_array_equal(after[-1], after[-2])
    assert action[0] > 0.3


def test_the_value_looks_beyond_the_horizon():
    """One step ahead the reward is nearly flat; the value alone says which way to go."""
    short = PlannerConfig(horizon=1, samples=64, rounds=2, elites=8)
    policy = mppi(Cart(), short, begin, value=lambda observation: -100.0 * observation["x"][0])
    action, _ = policy.act(policy.init(policy.env.spec), {"x": jnp.array([0.0])}, jax.random.key(0))
    assert action[0] < -0.1


def test_a_perfect_proposal_is_taken():
    class Right(RandomPolicy.__mro__[1]):
        def init(self, spec):
            return None

        def act(self, memory, observation, key):
            return jnp.array([0.6]), None

    tiny = PlannerConfig(horizon=6, samples=2, rounds=1, elites=1, noise=1e-6)
    policy = mppi(Cart(), tiny, begin, proposal=Right())
    action, _ = policy.act(policy.init(policy.env.spec), {"x": jnp.array([-3.0])}, jax.random.key(0))
    assert action[0] == pytest.approx(0.6, abs=1e-5)


def test_refinements_weigh_as_defined():
    samples = jnp.array([0.0, 1.0, 10.0])[:, None, None]
    scores = jnp.array([1.0, 0.0, -50.0])
    config = PlannerConfig(horizon=1, samples=3, rounds=1, elites=2, temperature=1.0)
    mean, _ = Elites()(samples, scores, config)
    assert mean[0, 0] == pytest.approx(0.5)
    mean, _ = Weighted()(samples, scores, config)
    assert mean[0, 0] == pytest.approx(1 / (1 + np.exp(1 / 0.5)), abs=1e-4)


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match="elites"):
        PlannerConfig(samples=4, elites=5)
