"""An RSSM learns a pendulum, imagines it and lends its derivatives; another one learns pictures of a moving dot."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from diorama.core import ArraySpec, EnvSpec, Policy, Window, filter_grad, filter_jit
from diorama.envs.teaching import Pendulum
from diorama.exam import examine_open_loop
from diorama.imagine import Decoupled, Through, as_env, rollout
from diorama.learn import FitConfig, fit
from diorama.learn.fitting import batch_loss
from diorama.learn.state import descend, parameters
from diorama.models.rssm import RSSM, RSSMConfig
from diorama.policies import RandomPolicy

pytestmark = pytest.mark.slow  # two models are compiled and trained
ENV = Pendulum()
LENGTH = 10
SIDE = 16


class Recorded:
    """Random stretches of recorded episodes of the pendulum under random torques."""

    def __init__(self, seed: int, count: int) -> None:
        def one(key):
            start_key, roll_key = jax.random.split(key)
            state = ENV.reset(ENV.spec.scenario.default(), start_key)
            return rollout(ENV, RandomPolicy(ENV.spec), state, length=4 * LENGTH, key=roll_key)

        self.seen = jax.tree.map(np.asarray, jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(seed), count)))

    def sample(self, rng: np.random.Generator, batch: int) -> Window:
        count, steps = self.seen.reward.shape
        episode, start = rng.integers(0, count, batch)[:, None], rng.integers(0, steps - LENGTH + 1, batch)[:, None]
        return self.cut(episode, start)

    def cut(self, episode: np.ndarray, start: np.ndarray) -> Window:
        rows = start + np.arange(LENGTH + 1)
        seen = self.seen
        observation = {name: values[episode, rows] for name, values in seen.observation.items()}
        rest = (values[episode, rows[:, :-1]] for values in (seen.action, seen.reward, seen.end, seen.mask))
        return Window(observation, *rest)


@pytest.fixture(scope="module")
def held_out() -> Recorded:
    return Recorded(1, 64)


@pytest.fixture(scope="module")
def fitted(held_out) -> RSSM:
    training = Recorded(0, 64)
    model = RSSM.build(RSSMConfig("nano"), ENV.spec, 0).measured(training.sample(np.random.default_rng(0), 256))
    config = FitConfig(updates=240, batch=16, chunk=60, held_out=64, learning_rate=5e-3, warmup=10)
    return fit(config, model, training, held_out).model


@pytest.fixture(scope="module")
def watched(held_out) -> tuple[Window, np.ndarray]:
    """Two windows of each held-out episode, and the episode of each."""
    episode = np.repeat(np.arange(64), 2)
    return held_out.cut(episode[:, None], np.tile([0, 2 * LENGTH], 64)[:, None]), episode


def test_what_it_imagines_is_nearer_than_standing_still(fitted, watched):
    result = examine_open_loop(fitted, *watched)
    assert np.all(result.paired.high[5:] < 0)
    assert result.model.mean[-1] < 0.7 * result.copy_last.mean[-1]
    assert np.all(result.spread == 0)


def test_it_knows_the_reward_of_the_step(fitted, watched):
    windows = jax.tree.map(jnp.asarray, watched[0])
    said = jax.jit(jax.vmap(lambda w, k: fitted.read(fitted.infer(w, k))))(windows, jax.random.split(KEY, 128))
    assert np.corrcoef(said.reward, windows.reward[:, -1])[0, 1] > 0.8
    assert np.all(np.asarray(said.end) < 0.1)


class Replay(Policy):
    """Plays given actions in their order."""

    actions: jax.Array

    def init(self, spec):
        return jnp.zeros((), jnp.int32)

    def act(self, memory, observation, key):
        return self.actions[memory], memory + 1


KEY = jax.random.key(5)
ACTIONS = jnp.asarray(np.random.default_rng(7).uniform(-2, 2, (5, 1)), jnp.float32)


def returned(actions, env, state, gradient):
    """The sum of the rewards under given actions, and the trajectory."""
    trajectory = rollout(env, Replay(actions), state, length=len(actions), key=KEY, gradient=gradient)
    return trajectory.reward.sum(), trajectory


@partial(filter_jit, compiler_options={"xla_cpu_use_fusion_emitters": True})
def slopes(env, states, gradient):
    """The trajectories from many states, and the derivatives of their rewards in the actions.

    Compiled as users compile: with what tests leave out of the compiler two programs of the same steps round apart.
    """

    def one(state):
        (_, trajectory), slope = jax.value_and_grad(returned, has_aux=True)(ACTIONS, env, state, gradient)
        return trajectory, slope.reshape(-1)

    return jax.vmap(one)(states)


def test_imagination_is_differentiable_in_the_actions(fitted, held_out):
    world = as_env(fitted, {name: values[:64, 0] for name, values in held_out.seen.observation.items()})
    states = jax.vmap(fitted.start)(world.starts, jax.random.split(KEY, 64))
    _, slope = slopes(world, states, Through())
    assert np.all(np.isfinite(slope)) and np.all(np.any(np.abs(slope) > 1e-3, axis=0))


def test_it_lends_its_derivatives_to_the_real_world(fitted):
    """Values of reality bit for bit, and slopes that on the whole agree with the true ones (arXiv 2509.00215)."""
    states = jax.vmap(lambda k: ENV.reset(ENV.spec.scenario.default(), k))(jax.random.split(KEY, 64))
    real, right = slopes(ENV, states, Through())
    lent, ours = slopes(ENV, states, Decoupled(fitted))
    np.testing.assert_array_equal(lent.reward, real.reward)
    np.testing.assert_array_equal(lent.observation["state"], real.observation["state"])
    assert np.all(np.isfinite(ours))
    right, ours = np.asarray(right)[:, :-1], np.asarray(ours)[:, :-1]
    assert np.sum(right * ours) > 0.2 * np.linalg.norm(right) * np.linalg.norm(ours)


DOT = EnvSpec(
    "dot",
    {"camera": ArraySpec((SIDE, SIDE, 1), low=0.0, high=255.0, dtype="uint8")},
    ArraySpec((2,), "px", -2.0, 2.0),
    control_period=0.1,
)


def dots(rng: np.random.Generator, count: int, length: int) -> Window:
    """Pictures of a bright dot that moves by the action [px]."""
    action = rng.uniform(-2, 2, (count, length, 2)).astype(np.float32)
    place = np.concatenate([rng.uniform(4, 11, (count, 1, 2)), action], axis=1).cumsum(axis=1)
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), axis=-1)
    square = np.sum((grid - place[:, :, None, None]) ** 2, axis=-1)
    picture = (255 * np.exp(-square / 5)).astype(np.uint8)[..., None]
    flags = np.zeros((count, length), bool)
    return Window({"camera": picture}, action, np.zeros((count, length), np.float32), flags, ~flags)


def test_pictures_are_told_apart_from_their_mean():
    optimiser = optax.flatten(optax.chain(optax.clip_by_global_norm(1.0), optax.adam(5e-3)))

    @filter_jit
    def learn(model, state, windows, key):
        gradient = filter_grad(lambda m: batch_loss(m, windows, key)[0])(model)
        return descend(optimiser, model, gradient, state)[:2]

    rng = np.random.default_rng(0)
    model = RSSM.build(RSSMConfig("nano"), DOT, 0)
    state = optimiser.init(parameters(model))
    for key in jax.random.split(KEY, 100):
        model, state = learn(model, state, jax.tree.map(jnp.asarray, dots(rng, 16, 2)), key)
    real = dots(rng, 64, 1).observation["camera"][:, 0]
    show = filter_jit(
        lambda m, pictures, keys: jax.vmap(lambda p, k: m.read(m.start({"camera": p}, k)))(pictures, keys)
    )
    shown = show(model, jnp.asarray(real), jax.random.split(KEY, 64)).observation["camera"]
    assert shown.dtype == jnp.uint8
    ours, mean = (np.mean((np.asarray(p, np.float64) - real) ** 2) for p in (shown, real.mean(axis=0)))
    assert ours < 0.5 * mean
