"""Physics plus a learned residual: exact before training, better than either part at little data, saved as a whole."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ConfigError, Env, EnvSpec, Window, filter_jit
from diorama.core.artifact import load_artifact, save_artifact
from diorama.core.env import Observation
from diorama.envs.teaching import Pendulum
from diorama.envs.teaching.pendulum import PendulumState
from diorama.evaluate import run_episodes
from diorama.learn import FitConfig, fit
from diorama.models import Ensemble, EnsembleConfig, check_model
from diorama.models.residual import Residual, ResidualConfig, Simulated, Still, residual_builder
from diorama.policies import RandomPolicy

CONFIG = ResidualConfig("nano", "pendulum")
KEY = jax.random.key(0)


def seen_as(env: Env, observation: Observation) -> PendulumState:
    """The state that a pendulum's observation shows, with the factors at their defaults."""
    cosine, sine, velocity = observation["state"]
    one = jnp.ones(())
    return PendulumState(jnp.arctan2(sine, cosine), velocity, one, one, 10.0 * one)


def pendulum(spec: EnvSpec) -> Simulated:
    return Simulated(Pendulum(), seen_as)


@dataclasses.dataclass(frozen=True)
class Steps:
    """Windows of one step."""

    windows: Window

    def sample(self, rng: np.random.Generator, batch: int) -> Window:
        rows = rng.integers(0, len(self.windows.action), batch)
        return jax.tree.map(lambda leaf: leaf[rows], self.windows)


def recorded(seeds: range, **factors: float) -> Window:
    """Steps of the real pendulum, which is heavier and longer than the physics says."""
    env = Pendulum()
    scenario = env.spec.scenario.fix(**({"mass": 1.4, "gravity": 12.0} | factors))
    seen = run_episodes(env, RandomPolicy(env.spec), np.array(seeds), 12, scenario)
    state = seen.observation["state"]
    pairs = np.stack([state[:, :-1], state[:, 1:]], axis=2).reshape(-1, 2, 3)
    rows = [np.reshape(leaf, (-1, 1, *leaf.shape[2:])) for leaf in (seen.action, seen.reward, seen.end, seen.mask)]
    return Window({"state": pairs}, *rows)


@filter_jit
def one_step(model: Residual | Ensemble, windows: Window) -> jax.Array:
    """The root mean squared error of the observation one step later."""

    def error(window: Window) -> jax.Array:
        first = {"state": window.observation["state"][0]}
        said = model.read(model.step(model.start(first, KEY), window.action[0], KEY)).observation["state"]
        return jnp.mean((said - window.observation["state"][1]) ** 2)

    return jnp.sqrt(jnp.mean(jax.vmap(error)(jax.tree.map(jnp.asarray, windows))))


@pytest.fixture(scope="module")
def little() -> Window:
    return recorded(range(6))


@pytest.fixture(scope="module")
def untrained(little) -> Residual:
    return Residual.build(CONFIG, Pendulum().spec, 0, pendulum(Pendulum().spec)).measured(little)


def test_untrained_it_is_the_physics(untrained) -> None:
    exact = recorded(range(20, 24), mass=1.0, gravity=10.0)
    assert one_step(untrained, exact) < 1e-5
    window = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), exact)
    said = untrained.step(untrained.infer(window, KEY), window.action[0], KEY)
    state = seen_as(Pendulum(), {"state": window.observation["state"][-1]})
    reward = Pendulum().reward(state, window.action[0], state)
    np.testing.assert_allclose(said.reward, reward, rtol=1e-5)
    assert said.spread == 0


def test_at_little_data_it_beats_the_physics_alone_and_learning_alone(untrained, little) -> None:
    held_out = recorded(range(100, 140))
    plan = FitConfig(updates=300, batch=48, chunk=300, held_out=48, learning_rate=2e-3)
    source = Steps(little)
    hybrid = fit(plan, untrained, source, source).model
    alone = fit(plan, Ensemble.build(EnsembleConfig("nano"), Pendulum().spec, 0).measured(little), source, source).model
    physics, learned, both = (float(one_step(model, held_out)) for model in (untrained, alone, hybrid))
    assert both < 0.5 * physics and both < 0.7 * learned
    for before, after in zip(*(jax.tree.leaves(model.physics) for model in (untrained, hybrid)), strict=True):
        np.testing.assert_array_equal(before, after)


def test_it_keeps_the_contract(untrained) -> None:
    assert "loss" in check_model(untrained).passed
    assert "loss" in check_model(Residual.build(ResidualConfig("nano"), Pendulum().spec, 0, Still())).passed


def test_it_is_saved_and_loaded_with_its_physics_named(untrained, little, tmp_path) -> None:
    save_artifact(tmp_path, untrained, kind="residual", config=CONFIG, spec=untrained.spec)
    loaded = load_artifact(tmp_path, {"residual": residual_builder({"pendulum": pendulum})})
    np.testing.assert_array_equal(one_step(loaded, little), one_step(untrained, little))
    with pytest.raises(ConfigError, match="'pendulum' is not known"):
        load_artifact(tmp_path, {"residual": residual_builder({})})
    with pytest.raises(ConfigError, match="nano"):
        ResidualConfig("huge")


def test_hybrid_of_push_t_is_saved_with_its_calibration(tmp_path) -> None:
    from diorama.envs.pusht import PushT, Relative
    from diorama.envs.pusht_quasistatic import Parameters
    from diorama.recipes.push_t_hybrid import hybrid, hybrid_config, load_hybrid, save_hybrid

    spec = PushT(Relative(), ("features",)).spec
    model = hybrid(hybrid_config("nano"), spec, 0, Parameters.of(1.9, 1.5, 0.8, 0.05))
    save_hybrid(tmp_path, model, hybrid_config("nano"))
    loaded = load_hybrid(tmp_path)
    assert loaded.physics.env.parameters.numbers() == model.physics.env.parameters.numbers()
    seen = {"features": jnp.array([256.0, 180.0, 0.0, 0.0, 256.0, 200.0, 1.0, 0.0])}
    step = filter_jit(lambda m: m.read(m.step(m.start(seen, KEY), jnp.array([0.0, 40.0]), KEY)).observation["features"])
    np.testing.assert_allclose(step(loaded), step(model), atol=1e-4)
    assert step(model)[5] > 201
