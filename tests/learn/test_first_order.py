import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import Trajectory
from diorama.core.artifact import named_arrays
from diorama.envs.teaching import PointMass, PointMassState
from diorama.imagine import Decoupled, Exact, Through, as_env, rollout
from diorama.learn import Checkpoints, CloningConfig, FirstOrderConfig, FitConfig, clone, fit, train_first_order
from diorama.learn.first_order import lambda_returns
from diorama.learn.progress import History
from diorama.learn.worlds import Fixed, Hypotheses
from diorama.models.ensemble import Ensemble
from diorama.policies import Actor, ActorConfig, Critic, Likeliest, RandomPolicy

ENV = PointMass()
CONFIG = FirstOrderConfig(updates=150, worlds=32, horizon=16, chunk=50, actor_rate=5e-3, critic_steps=2, discount=0.95)
SHAPE = ActorConfig("nano")


def invert(observation):
    return PointMassState(observation["position"], observation["velocity"], jnp.ones(()))


def fresh(starts):
    return (Actor.build(SHAPE, ENV.spec, 0).measured(starts), Critic.build(SHAPE, ENV.spec, 1).measured(starts))


def real_return(policy) -> float:
    def one(key):
        state = ENV.reset({"mass": jnp.ones(()), "start": jnp.full((), 2.0)}, key)
        return rollout(ENV, policy, state, length=60, key=key).reward.sum()

    return float(jnp.mean(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(9), 64))))


@pytest.fixture(scope="module")
def starts(training):
    return {name: jnp.asarray(value[:, ::8].reshape(-1, 2)) for name, value in training.episodes.observation.items()}


@pytest.fixture(scope="module")
def baseline() -> float:
    return real_return(RandomPolicy(ENV.spec))


@pytest.fixture(scope="module")
def exact_world(starts):
    return Fixed(as_env(Exact(ENV.spec, ENV, invert), starts))


def test_a_policy_trained_inside_a_learned_world_works_in_reality(untrained, training, held_out, starts, baseline):
    model = fit(
        FitConfig(updates=800, batch=128, chunk=200, held_out=256, learning_rate=3e-3), untrained, training, held_out
    ).model
    history = History()
    worlds = Hypotheses(as_env(model, starts), Ensemble.draw)
    state = train_first_order(CONFIG, *fresh(starts), worlds, Through(), progress=history)
    assert history.curve("return")[1][-1] > history.curve("return")[1][0]
    assert real_return(state.learned.actor.choosing(Likeliest())) > 0.5 * baseline


def test_decoupled_gradients_train_a_policy_too(exact_world, starts, baseline):
    gradient = Decoupled(exact_world.env.model)
    state = train_first_order(CONFIG, *fresh(starts), exact_world, gradient)
    assert real_return(state.learned.actor.choosing(Likeliest())) > 0.5 * baseline


def test_training_resumes_bit_for_bit(tmp_path, exact_world, starts):
    config = FirstOrderConfig(updates=6, worlds=4, horizon=3, chunk=2, critic_steps=2)

    class StoppedError(Exception):
        pass

    def stop(report):
        if report.step == 4:
            raise StoppedError

    whole = named_arrays(train_first_order(config, *fresh(starts), exact_world, Through()))
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(StoppedError):
        train_first_order(config, *fresh(starts), exact_world, Through(), progress=stop, checkpoints=checkpoints)
    resumed = named_arrays(train_first_order(config, *fresh(starts), exact_world, Through(), checkpoints=checkpoints))
    assert whole.keys() == resumed.keys()
    assert [name for name in whole if not np.array_equal(whole[name], resumed[name])] == []


def test_lambda_returns_against_the_definition():
    config = FirstOrderConfig(discount=0.9, trace=0.8)
    reward, values = np.array([1.0, 2.0, -1.0]), np.array([5.0, 3.0, 7.0, 2.0])
    end = np.array([False, True, False])
    seen = Trajectory({}, jnp.zeros((3, 1)), jnp.asarray(reward), jnp.asarray(end), jnp.ones(3, bool), {})
    wanted = np.zeros(3)
    wanted[2] = -1.0 + 0.9 * 2.0
    wanted[1] = 2.0
    wanted[0] = 1.0 + 0.9 * (0.2 * 3.0 + 0.8 * wanted[1])
    np.testing.assert_allclose(lambda_returns(config, seen, jnp.asarray(values)), wanted, rtol=1e-6)


def test_cloning_recovers_a_demonstrated_law(training, starts):
    law = jax.jit(jax.vmap(lambda o: jnp.tanh(-o["position"] - o["velocity"])))

    class Demonstrations:
        def sample(self, rng, batch):
            window = training.sample(rng, batch)
            before = {name: jnp.asarray(v[:, :-1].reshape(-1, 2)) for name, v in window.observation.items()}
            action = np.asarray(law(before)).reshape(window.action.shape)
            return type(window)(window.observation, action, window.reward, window.end, window.mask)

    history = History()
    cloned = clone(CloningConfig(updates=300, batch=64, chunk=100, learning_rate=3e-3), fresh(starts)[0],
                   Demonstrations(), progress=history)  # fmt: skip
    assert history.curve("loss")[1][-1] < 0.02
    seen = {"position": jnp.array([0.5, -1.0]), "velocity": jnp.array([0.2, 0.0])}
    action, _ = cloned.actor.act(None, seen, jax.random.key(0))
    np.testing.assert_allclose(action, np.tanh([-0.7, 1.0]), atol=0.15)
