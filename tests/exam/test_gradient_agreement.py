"""Policy gradients of models whose agreement with the truth is known."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import DataError, Env, EnvSpec, SpecError, Window, field
from diorama.envs.teaching import CartPole, Pendulum, PendulumState, PointMass, PointMassState
from diorama.evaluate import run_episodes
from diorama.exam import InModel, InTruth, Ridge, examine_gradients
from diorama.imagine import Decoupled, Exact, Stop, Through
from diorama.policies import Actor, ActorConfig, Constant, RandomPolicy, Sampled

HORIZONS = (1, 3, 8)


def states(env, count):
    scenario = env.spec.scenario.default()
    return jax.vmap(lambda key: env.reset(scenario, key))(jax.random.split(jax.random.key(3), count))


def swing(observation, action, following):
    """Upright and slow, seen after the step."""
    cosine, _, rate = following["state"]
    return cosine - 0.01 * rate**2


class Under(Env):
    """The pendulum under another gravity, an array, so that one compiled program serves every gravity."""

    gravity: jax.Array
    spec: EnvSpec = field(static=True, default=Pendulum().spec)

    def reset(self, scenario, key):
        return Pendulum().reset(scenario, key)

    def step(self, state, action, key):
        return Pendulum().step(dataclasses.replace(state, gravity=self.gravity), action, key)

    def observe(self, state):
        return Pendulum().observe(state)

    def reward(self, state, action, next_state):
        return Pendulum().reward(state, action, next_state)

    def terminal(self, state):
        return Pendulum().terminal(state)


def invert(seen):
    cosine, sine, rate = seen["state"]
    return PendulumState(jnp.arctan2(sine, cosine), rate, jnp.array(1.0), jnp.array(1.0), jnp.array(10.0))


def pendulum(gravity):
    """A perfect model of a pendulum under this gravity; the true one is 10."""
    env = Under(jnp.array(gravity))
    return Exact(env.spec, env, invert)


def learned():
    """Least squares on random play."""
    env = Pendulum()
    seen = run_episodes(env, RandomPolicy(env.spec), np.arange(64), 8)
    return Ridge.fitted(Window(seen.observation, seen.action, seen.reward, seen.end, seen.mask), env.spec)


def examined(modes, seed=0):
    env = Pendulum()
    actor = Actor.build(ActorConfig("nano"), env.spec, 0).choosing(Sampled())
    return examine_gradients(env, actor, states(env, 64), modes, horizons=HORIZONS, batches=8, reward=swing, seed=seed)


@pytest.fixture(scope="module")
def result():
    right, wrong, fitted = pendulum(10.0), pendulum(-30.0), learned()
    return examined(
        {
            "decoupled right": InTruth(Decoupled(right)),
            "coupled right": InModel(right, Decoupled(right)),
            "decoupled wrong": InTruth(Decoupled(wrong)),
            "imagined wrong": InModel(wrong, Through()),
            "decoupled learned": InTruth(Decoupled(fitted)),
            "right of wrong": InModel(wrong, Decoupled(right)),
        }
    )


@pytest.mark.parametrize("name", ["true", "decoupled right", "coupled right"])
def test_a_perfect_model_agrees_at_every_horizon(result, name):
    mode = result.modes[name]
    np.testing.assert_allclose(mode.cosine.mean, 1.0, atol=1e-4)
    np.testing.assert_allclose(mode.norm_ratio.mean, 1.0, atol=1e-3)
    assert np.all(mode.sign.mean > 0.99)
    assert mode.cosines.shape == (8, 3) and result.starts == 8


def test_a_wrong_model_agrees_less_and_more_so_with_the_horizon(result):
    decoupled, imagined = result.modes["decoupled wrong"], result.modes["imagined wrong"]
    assert decoupled.cosine.high[-1] < 0.99 and imagined.cosine.high[-1] < 0.99
    assert decoupled.cosine.mean[-1] < decoupled.cosine.mean[0]
    assert np.all(decoupled.cosine.low <= decoupled.cosine.mean) and decoupled.sign.high[-1] < 0.98
    assert result.modes["right of wrong"].cosine.mean[-1] < 0.99  # the path it runs along is not the true one


def test_decoupling_beats_imagination_and_the_difference_is_paired(result):
    difference = result.difference("decoupled wrong", "imagined wrong")
    assert difference.low[-1] > 0
    np.testing.assert_allclose(difference.mean, -result.difference("imagined wrong", "decoupled wrong").mean)


def test_a_learned_model_agrees_in_part(result):
    mean = result.modes["decoupled learned"].cosine.mean
    assert np.all(mean > 0) and np.all(mean < 1)


def test_the_halves_say_how_much_is_chance(result):
    true = result.modes["true"].halves
    assert np.all(true.mean < 1) and np.all(true.low < true.high)
    np.testing.assert_allclose(true.mean, result.modes["decoupled right"].halves.mean, atol=1e-3)


def test_the_same_seed_gives_the_same_numbers(result):
    again = examined({"decoupled wrong": InTruth(Decoupled(pendulum(-30.0)))})
    np.testing.assert_array_equal(again.modes["decoupled wrong"].cosines, result.modes["decoupled wrong"].cosines)
    assert again.modes["decoupled wrong"].cosine.low.tolist() == result.modes["decoupled wrong"].cosine.low.tolist()
    other = examined({"decoupled wrong": InTruth(Decoupled(pendulum(-30.0)))}, seed=1)
    assert not np.array_equal(other.modes["decoupled wrong"].cosines, result.modes["decoupled wrong"].cosines)


def test_a_mass_twice_as_heavy_halves_the_norm_and_keeps_the_direction():
    """Without feedback the place is linear in the force over the mass, so the answer is known."""
    env = PointMass()
    heavy = Exact(env.spec, env, lambda o: PointMassState(o["position"], o["velocity"], jnp.array(2.0)))
    found = examine_gradients(
        env,
        Constant(jnp.array([0.3, -0.2])),
        states(env, 16),
        {"heavy": InTruth(Decoupled(heavy)), "cut": InTruth(Stop())},
        horizons=HORIZONS,
        batches=2,
        reward=lambda before, action, after: -jnp.sum(after["position"] ** 2),
    )
    np.testing.assert_allclose(found.modes["heavy"].cosine.mean, 1.0, atol=1e-5)
    np.testing.assert_allclose(found.modes["heavy"].norm_ratio.mean, 0.5, rtol=1e-4)
    np.testing.assert_allclose(found.modes["heavy"].norm / found.modes["true"].norm, 0.5, rtol=1e-4)
    np.testing.assert_array_equal(found.modes["cut"].cosine.mean, 0.0)  # no gradient points nowhere
    assert found.parameters == 2


def test_refusals():
    env, actor = CartPole(), Constant(jnp.zeros(1))
    with pytest.raises(DataError, match="reference gradient over 2 steps is 0"):  # a reward of 1 for every step
        examine_gradients(env, actor, states(env, 4), {}, horizons=(2,), batches=2)
    with pytest.raises(SpecError, match="at least 2 batches"):
        examine_gradients(env, actor, states(env, 4), {}, batches=3)
    with pytest.raises(SpecError, match="each at least 1"):
        examine_gradients(env, actor, states(env, 4), {}, horizons=(0, 2), batches=2)
    with pytest.raises(SpecError, match="reference"):
        examine_gradients(env, actor, states(env, 4), {"true": InTruth(Through())}, batches=2)
