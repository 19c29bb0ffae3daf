"""Diffusion models learn: a pendulum, a world of two futures, a small picture; and they keep the contract."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, EnvSpec, Window, filter_jit
from diorama.envs.teaching import Pendulum
from diorama.evaluate import run_episodes
from diorama.exam import examine_open_loop
from diorama.learn import FitConfig, fit
from diorama.models import check_model
from diorama.models.diffusion import Diffusion, DiffusionConfig, Euler, Schedule
from diorama.models.tokenizer import TokenizerConfig
from diorama.policies import RandomPolicy

SIDE = 16


@dataclasses.dataclass(frozen=True)
class Recorded:
    """Whole recorded episodes ``[N, T]``; a window is a stretch of one."""

    episodes: Window
    length: int

    def sample(self, rng: np.random.Generator, batch: int) -> Window:
        count, steps = self.episodes.reward.shape
        episode, start = rng.integers(0, count, batch)[:, None], rng.integers(0, steps - self.length + 1, batch)
        rows = start[:, None] + np.arange(self.length + 1)
        cut = jax.tree.map(lambda leaf: leaf[episode, rows[:, :-1]], self.episodes)
        observation = {name: v[episode, rows] for name, v in self.episodes.observation.items()}
        return Window(observation, cut.action, cut.reward, cut.end, cut.mask)


def window(observation: dict, action: np.ndarray, reward: np.ndarray) -> Window:
    flags = np.zeros(reward.shape, bool)
    return Window(observation, np.asarray(action, np.float32), np.asarray(reward, np.float32), flags, ~flags)


def learned(model: Diffusion, source: Recorded, config: FitConfig) -> Diffusion:
    model = model.measured(source.sample(np.random.default_rng(0), 256))
    return fit(config, model, source, source).model


@filter_jit
def one_step(model: Diffusion, seen: Window, keys: jax.Array) -> tuple:
    """What follows the last observation but one of each window, under the last action."""

    def one(seen, key):
        before = {name: value[:-1] for name, value in seen.observation.items()}
        rest = (leaf[:-1] for leaf in (seen.action, seen.reward, seen.end, seen.mask))
        said = model.read(model.step(model.infer(Window(before, *rest), key), seen.action[-1], key))
        return said.observation, said.reward

    return jax.vmap(one)(jax.tree.map(jnp.asarray, seen), keys)


@pytest.fixture(scope="module")
def swinging() -> tuple[Diffusion, Recorded]:
    env = Pendulum()
    seen = jax.tree.map(np.asarray, run_episodes(env, RandomPolicy(env.spec), np.arange(48), 40))
    source = Recorded(Window(seen.observation, seen.action, seen.reward, seen.end, seen.mask), 4)
    parts = (jax.tree.map(lambda leaf, part=part: leaf[part], source.episodes) for part in (slice(32), slice(32, None)))
    training, held_out = (Recorded(part, source.length) for part in parts)
    config = FitConfig(updates=240, batch=40, chunk=240, held_out=64, learning_rate=4e-3)
    return learned(Diffusion.build(DiffusionConfig("nano"), env.spec, 0), training, config), held_out


def test_a_pendulum_is_imagined_better_than_standing_still(swinging):
    model, held_out = swinging
    windows = dataclasses.replace(held_out, length=20).sample(np.random.default_rng(1), 48)
    result = examine_open_loop(model, windows, np.arange(48) // 3)
    assert result.one_step < 0.05 and result.model.mean[-1] < 0.4
    assert np.all(result.paired.high < 0)


def test_its_reward_is_that_of_the_step(swinging):
    model, held_out = swinging
    windows = held_out.sample(np.random.default_rng(2), 64)
    _, reward = one_step(model, windows, jax.random.split(jax.random.key(0), 64))
    real = windows.reward[:, -1]
    assert np.sqrt(np.mean((np.asarray(reward) - real) ** 2)) < 0.2 * real.std()


def test_a_model_of_states_keeps_the_contract(swinging):
    check_model(swinging[0])


def test_a_model_of_pictures_keeps_the_contract():
    pixels = ArraySpec((4, 4, 1), low=0.0, high=255.0, dtype="uint8")
    spec = EnvSpec("cameras", {"left": pixels, "right": pixels}, ArraySpec((2,), low=-1.0, high=1.0), 0.1)
    config = DiffusionConfig("nano", "patches", context=2, steps=1, patch=2, context_noise=0.1)
    check_model(Diffusion.build(config, spec, 0))


def test_a_model_of_codes_keeps_the_contract():
    pixels = ArraySpec((8, 8, 1), low=0.0, high=255.0, dtype="uint8")
    spec = EnvSpec("camera", {"eye": pixels}, ArraySpec((2,), low=0.0, high=1.0), 0.1)
    tokenizer = TokenizerConfig("nano", channels=2)
    config = DiffusionConfig("nano", "patches", context=2, steps=1, patch=1, latent=tokenizer, discrete=True)
    check_model(Diffusion.build(config, spec, 0))


def fork(seed: int) -> Window:
    """A walker that one action (one-hot) lets step to either side, and the other keeps in place."""
    rng = np.random.default_rng(seed)
    choice = rng.integers(0, 2, (64, 16))
    moves = np.where(choice == 0, rng.choice([-1.0, 1.0], choice.shape), 0.0)
    x = np.concatenate([np.zeros((64, 1)), moves], axis=1).cumsum(axis=1)[..., None].astype(np.float32)
    return window({"x": x}, np.eye(2)[choice], moves)


def test_two_futures_are_both_drawn_and_their_mean_is_not():
    spec = EnvSpec("fork", {"x": ArraySpec((1,), "m")}, ArraySpec((2,), low=0.0, high=1.0), 0.1)
    config = FitConfig(updates=300, batch=64, chunk=300, held_out=64, learning_rate=4e-3)
    source = Recorded(fork(0), 2)
    model = learned(Diffusion.build(DiffusionConfig("nano", context=2, steps=8), spec, 0), source, config)
    seen = Recorded(fork(1), 2).sample(np.random.default_rng(3), 400)
    keys = jax.random.split(jax.random.key(1), 400)
    change = np.asarray(one_step(model, seen, keys)[0]["x"])[:, 0] - seen.observation["x"][:, 1, 0]
    forked, held = change[seen.action[:, 1, 0] == 1], change[seen.action[:, 1, 0] == 0]
    assert np.abs(held).max() < 0.3
    assert np.mean(np.abs(np.abs(forked) - 1) < 0.3) > 0.65
    assert 0.35 < np.mean(forked > 0) < 0.65
    # One step from pure noise is the best guess of a deterministic regression: the mean, where nothing ever is.
    guess = model.sampling(Euler(Schedule(steps=1)))
    mean = np.asarray(one_step(guess, seen, keys)[0]["x"])[:, 0] - seen.observation["x"][:, 1, 0]
    assert np.abs(mean).max() < 0.5


def lamp(seed: int) -> Window:
    """A picture of 16 x 16 pixels whose left half is as bright as the last action said; the right half stays dark."""
    rng = np.random.default_rng(seed)
    light = rng.uniform(-1, 1, (64, 9))
    picture = np.full((64, 9, SIDE, SIDE, 1), 30, np.uint8)
    picture[:, :, :, : SIDE // 2] = (128 + 100 * light).astype(np.uint8)[..., None, None, None]
    return window({"eye": picture}, light[:, 1:, None], light[:, 1:])


CODED = DiffusionConfig("nano", "patches", context=1, patch=1, latent=TokenizerConfig("nano", halvings=3, channels=2))


@pytest.mark.parametrize(
    ("config", "updates"), [(DiffusionConfig("nano", "patches", context=1, patch=8), 120), (CODED, 240)]
)
def test_a_small_picture_follows_the_action(config, updates):
    pixels = ArraySpec((SIDE, SIDE, 1), low=0.0, high=255.0, dtype="uint8")
    spec = EnvSpec("lamp", {"eye": pixels}, ArraySpec((1,), low=-1.0, high=1.0), 0.1)
    plan = FitConfig(updates=updates, batch=16, chunk=updates, held_out=16, learning_rate=6e-3)
    source = Recorded(lamp(0), 1)
    model = learned(Diffusion.build(config, spec, 0), source, plan)
    seen = Recorded(lamp(1), 1).sample(np.random.default_rng(3), 16)
    drawn = np.asarray(one_step(model, seen, jax.random.split(jax.random.key(1), 16))[0]["eye"], np.float32)
    real = seen.observation["eye"].astype(np.float32)
    error, copied = np.mean((drawn - real[:, 1]) ** 2), np.mean((real[:, 0] - real[:, 1]) ** 2)
    assert error < 0.5 * copied
