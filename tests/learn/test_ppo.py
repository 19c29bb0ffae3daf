import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ConfigError, Policy, filter_grad, filter_jit
from diorama.core.artifact import named_arrays
from diorama.envs.teaching import CartPole, PointMass, PointMassState
from diorama.evaluate import episode_return, evaluate
from diorama.imagine import Exact, as_env
from diorama.learn import Checkpoints, History
from diorama.learn.moments import Moments
from diorama.learn.persistent import Piece, advantages, begin, run_on
from diorama.learn.ppo import Batch, Given, Learned, init, loss, train_ppo, update
from diorama.learn.ppo_config import PPOConfig
from diorama.learn.worlds import Fixed
from diorama.nn import PlanarFrame
from diorama.policies import Actor, ActorConfig, Critic, Likeliest

ENV = PointMass()
SHAPE = ActorConfig("nano")
CONFIG = PPOConfig(updates=20, worlds=16, length=32, episode=40, chunk=5, discount=0.95, epochs=4, minibatches=4)


def fresh() -> tuple[Actor, Critic]:
    return Actor.build(SHAPE, ENV.spec, 0), Critic.build(SHAPE, ENV.spec, 1)


class StoppedError(Exception):
    pass


@pytest.fixture(scope="module")
def trained():
    history = History()
    return train_ppo(CONFIG, *fresh(), Fixed(ENV), progress=history), history


def test_it_learns_in_a_simulator(trained):
    state, history = trained
    seeds, metrics = np.arange(5000, 5050), {"return": episode_return}
    after, _ = evaluate(state.learned.actor.choosing(Likeliest()), ENV, seeds=seeds, length=40, metrics=metrics)
    before, _ = evaluate(fresh()[0], ENV, seeds=seeds, length=40, metrics=metrics)
    assert after.versus(before, "return").low > 0
    assert after.estimate("return").value > 0.6 * before.estimate("return").value
    assert history.curve("samples") == ([5, 10, 15, 20], [2560.0, 5120.0, 7680.0, 10240.0])
    assert history.curve("return")[1][-1] > history.curve("return")[1][0]
    assert history.curve("explained")[1][-1] > 0.5


def test_twenty_updates_are_ten_and_ten_bit_for_bit(tmp_path, trained):
    def stop(report):
        if report.step == 10:
            raise StoppedError

    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(StoppedError):
        train_ppo(CONFIG, *fresh(), Fixed(ENV), progress=stop, checkpoints=checkpoints)
    resumed = named_arrays(train_ppo(CONFIG, *fresh(), Fixed(ENV), checkpoints=checkpoints))
    whole = named_arrays(trained[0])
    assert whole.keys() == resumed.keys()
    assert [name for name in whole if not np.array_equal(whole[name], resumed[name])] == []


def test_it_stops_an_update_that_moves_the_policy_too_far():
    def invert(observation):
        return PointMassState(observation["position"], observation["velocity"], jnp.ones(()))

    starts = {"position": np.random.default_rng(0).uniform(-1, 1, (64, 2)), "velocity": np.zeros((64, 2))}
    starts = {name: value.astype(np.float32) for name, value in starts.items()}
    world = Fixed(as_env(Exact(ENV.spec, ENV, invert), starts))  # a world model is an environment
    config = dataclasses.replace(CONFIG, divergence=1e-9)
    _, metrics = update((Given(config, world), 1), init(config, *fresh(), world))
    # The first step of Adam moves nothing that was measured before it; the second sees that the policy has moved.
    np.testing.assert_allclose(metrics["used"], 1 / 16)
    np.testing.assert_allclose([metrics["divergence"], metrics["clipped"]], 0, atol=1e-6)


def test_the_running_statistics_are_those_of_all_rows():
    rows = np.random.default_rng(0).normal(3, [1, 20, 0], (90, 3)).astype(np.float32)
    moments = Moments.begin(3)
    for part in np.split(rows, [20, 70]):
        moments = moments.merge(jnp.asarray(part))
    np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(moments.std, [*rows.std(0)[:2], 1.0], rtol=1e-5)


def piece_of(reward, end, over) -> Piece:
    flags, numbers = (jnp.asarray(x, bool) for x in (end, over)), jnp.asarray(reward, jnp.float32)
    end, over = flags
    return Piece({}, jnp.zeros((len(reward), 1)), numbers, {}, end, over, numbers, numbers, over)


def test_advantages_against_the_definition():
    reward, value, after = np.array([1.0, 2, 3, 4, 5]), np.array([0.5, 1, -1, 2, 0]), np.array([1.0, 7, 2, 9, 4])
    end, over = [False, False, False, True, False], [False, True, False, True, False]
    found = advantages(piece_of(reward, end, over), *(jnp.asarray(x) for x in (reward, value, after)), 0.9, 0.8)
    wanted = np.zeros(5)
    wanted[4] = 5 + 0.9 * 4 - 0  # the piece stops here, the episode goes on
    wanted[3] = 4 - 2  # the world ended: nothing beyond
    wanted[2] = 3 + 0.9 * 2 + 1 + 0.72 * wanted[3]
    wanted[1] = 2 + 0.9 * 7 - 1  # cut off: worth its value, and nothing of the next episode
    wanted[0] = 1 + 0.9 * 1 - 0.5 + 0.72 * wanted[1]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_worlds_live_on_between_pieces_and_begin_anew():
    class Push(Policy):
        def init(self, spec):
            return None

        def act(self, memory, observation, key):
            return jnp.array([10.0]), None

    env, length, episode = CartPole(), 6, 8
    run = jax.jit(jax.vmap(lambda w, k: run_on(env, Push(), w, length=length, episode=episode, discount=0.5, key=k)))
    worlds = begin(env, 5, episode, jax.random.key(0))
    steps = np.asarray(worlds.steps)
    assert len(set(steps)) > 1 and ((0 <= steps) & (steps < episode)).all()
    pieces = []
    for number in range(3):
        worlds, piece = run(worlds, jax.random.split(jax.random.key(number), 5))
        pieces.append(piece)
    whole = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *pieces)
    before, after, over = whole.before["state"], whole.after["state"], whole.over
    # An episode ends after 8 steps at the latest: the pole falls after about ten under this push.
    time = (steps[:, None] + np.arange(18)) % episode
    np.testing.assert_array_equal(over, time == episode - 1)
    goes_on = ~over[:, :-1]
    np.testing.assert_array_equal(before[:, 1:][goes_on], after[:, :-1][goes_on])
    assert (np.abs(before[:, 1:][~goes_on]) <= 0.05).all() and (np.abs(after[:, :-1][~goes_on]).max(-1) > 0.05).all()
    # Returns of whole episodes only: those that began with a time to go of less than 8 steps do not count.
    np.testing.assert_array_equal(whole.returned[whole.counted], 8.0)
    first = over & (np.cumsum(over, axis=1) == 1)
    assert not whole.counted[first & (steps > 0)[:, None]].any()
    np.testing.assert_allclose(whole.discounted[over & ~first], 2 - 0.5**7)


@filter_jit
def value_slope(critic, actor, config, batch):
    slope = filter_grad(lambda c: loss(Learned(actor, c), config, batch, jax.random.key(0))[0])(critic)
    return jnp.abs(slope.network.layers[-1].bias).max()


def test_clipped_values_stop_pulling_once_they_have_moved():
    actor, critic = fresh()
    zeros = np.zeros((8, 2), np.float32)
    clipping = dataclasses.replace(CONFIG, value_clip=0.2)

    def slope(config, old) -> float:
        # The critic says 0 of what it sees here, wants 5, and said ``old`` before.
        ones = np.ones(8, np.float32)
        rows = jax.tree.map(jnp.asarray, (zeros, ones, ones, np.float32(old) * ones, 5 * ones))
        return float(value_slope(critic, actor, config, Batch({"position": rows[0], "velocity": rows[0]}, *rows)))

    assert slope(clipping, 0.0) > 1.0  # not moved yet
    assert slope(clipping, -0.5) == 0.0  # moved towards the target by more than the clip
    assert slope(CONFIG, -0.5) > 1.0


def test_misfits_are_refused():
    with pytest.raises(ConfigError, match="divides"):
        PPOConfig(worlds=3, length=5, minibatches=4)
    with pytest.raises(ConfigError, match="positive"):
        PPOConfig(episode=0)
    with pytest.raises(ConfigError, match="between"):
        PPOConfig(discount=1.5)
    frame = PlanarFrame(origin=(0, 1), heading=(2, 3), points=((0, 1),))
    critic = Critic.build(ActorConfig("nano", frame), ENV.spec, 0)
    with pytest.raises(ConfigError, match="same frame"):
        init(CONFIG, fresh()[0], critic, Fixed(ENV))
