import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import Trajectory
from diorama.core.artifact import named_arrays
from diorama.envs.teaching import PointMass, PointMassState
from diorama.imagine import Decoupled, Exact, Through, as_env, rollout
from diorama.learn import Checkpoints, CloningConfig, FirstOrderConfig, FitConfig, clone, fit, train_first_order
from diorama.learn.critics import Critics, lambda_returns
from diorama.learn.first_order import Given, init, update
from diorama.learn.progress import History
from diorama.learn.refresh import cut
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
    config = FirstOrderConfig(updates=6, worlds=4, horizon=4, chunk=2, critic_steps=2, episode=8, entropy_target=-1.0)

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


def test_worlds_go_on_where_they_stopped_and_begin_anew_when_they_are_old(exact_world, starts):
    config = FirstOrderConfig(updates=9, worlds=16, horizon=4, chunk=1, critic_steps=2, episode=12)
    actor, critic = fresh(starts)
    state = init(config, actor, critic, exact_world, Through())
    ages = [np.asarray(state.extra.standing.steps)]
    for _ in range(4):
        state, _ = update((Given(config, exact_world, Through()), 1), state)
        ages.append(np.asarray(state.extra.standing.steps))
    for before, after in zip(ages[:-1], ages[1:], strict=True):
        assert set(np.unique(after[after > 0] - before[after > 0])) <= {4}
        assert np.array_equal(after == 0, before + 8 > 12)
    assert any((age == 0).any() for age in ages[1:])


def test_the_least_of_two_critics_makes_targets_and_none_is_worth_nothing(starts):
    actor, first = fresh(starts)
    second = Critic.build(SHAPE, ENV.spec, 5).measured(starts)
    seen = {"position": jnp.array([0.5, -1.0]), "velocity": jnp.array([0.2, 0.0])}
    both = Critics.of((first, second))
    assert float(both.least(seen)) == min(float(first(seen)), float(second(seen)))
    np.testing.assert_allclose(both.mean(seen), (first(seen) + second(seen)) / 2, rtol=1e-6)
    assert float(Critics.of(()).least(seen)) == 0.0


def test_without_critics_only_the_horizon_counts(exact_world, starts):
    config = FirstOrderConfig(updates=20, worlds=16, horizon=8, chunk=20, entropy=0.0)
    state, metrics = update(
        (Given(config, exact_world, Through()), 20), init(config, fresh(starts)[0], (), exact_world, Through())
    )
    assert float(metrics["value_loss"]) == 0.0
    assert int(state.cursor) == 20


def test_the_weight_of_the_entropy_finds_its_target(exact_world, starts):
    config = FirstOrderConfig(
        updates=400, worlds=16, horizon=4, chunk=100, critic_steps=2, entropy=0.01, entropy_target=-0.7,
        entropy_rate=0.05,
    )  # fmt: skip
    history = History()
    train_first_order(config, *fresh(starts), exact_world, Through(), progress=history)
    entries = ENV.spec.action.size
    assert abs(history.curve("entropy")[1][-1] / entries + 0.7) < 0.1


def test_a_local_model_is_refreshed_on_what_the_world_shows(untrained, training, exact_world, starts):
    local = untrained
    config = FirstOrderConfig(
        updates=200, worlds=32, horizon=8, chunk=50, refresh=4, refresh_rate=3e-3, refresh_batch=64, actor_rate=3e-3
    )
    history = History()
    state = train_first_order(config, *fresh(starts), exact_world, Decoupled(local), progress=history)
    losses = history.curve("local_loss")[1]
    assert losses[-1] < 0.5 * losses[0]
    still = train_first_order(
        FirstOrderConfig(updates=2, worlds=4, horizon=4, chunk=2, critic_steps=2),
        *fresh(starts),
        exact_world,
        Decoupled(local),
    )
    assert still.learned.local is None and state.learned.local is not None


def test_a_trajectory_is_cut_into_aligned_windows():
    time = jnp.arange(5.0)
    path = Trajectory(
        {"x": jnp.stack([time, 10 + time])[..., None]},
        jnp.arange(8.0).reshape(2, 4, 1),
        jnp.arange(8.0).reshape(2, 4),
        jnp.zeros((2, 4), bool),
        jnp.ones((2, 4), bool),
        {},
    )
    windows = cut(path, 2)
    np.testing.assert_array_equal(windows.observation["x"][..., 0], [[0, 1, 2], [2, 3, 4], [10, 11, 12], [12, 13, 14]])
    np.testing.assert_array_equal(windows.reward, [[0, 1], [2, 3], [4, 5], [6, 7]])


def test_lambda_returns_against_the_definition():
    config = FirstOrderConfig(discount=0.9, trace=0.8)
    reward, values = np.array([1.0, 2.0, -1.0]), np.array([5.0, 3.0, 7.0, 2.0])
    end = np.array([False, True, False])
    seen = Trajectory({}, jnp.zeros((3, 1)), jnp.asarray(reward), jnp.asarray(end), jnp.ones(3, bool), {})
    wanted = np.zeros(3)
    wanted[2] = -1.0 + 0.9 * 2.0
    wanted[1] = 2.0
    wanted[0] = 1.0 + 0.9 * (0.2 * 3.0 + 0.8 * wanted[1])
    np.testing.assert_allclose(lambda_returns(config, seen, seen.reward, jnp.asarray(values)), wanted, rtol=1e-6)


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
