import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import ArraySpec, ConfigError, EnvSpec, Window
from diorama.core.artifact import named_arrays
from diorama.learn import Checkpoints, CloningConfig, History, clone
from diorama.learn.diffusion_cloning import clone_by_diffusion
from diorama.learn.diffusion_cloning_config import DiffusionCloningConfig
from diorama.policies import Actor, ActorConfig
from diorama.policies.diffusion_config import DiffusionPolicyConfig, MLPDenoiserConfig
from diorama.policies.diffusion_policy import DiffusionPolicy
from diorama.policies.diffusion_schedule import DDIM, DDPM

SPEC = EnvSpec("fork", {"x": ArraySpec((1,), "m")}, ArraySpec((1,), "N", -1.0, 1.0), 0.1)
SHAPE = DiffusionPolicyConfig(8, 2, 4, 50, MLPDenoiserConfig((96, 96)), 32)
CONFIG = DiffusionCloningConfig(CloningConfig(updates=800, batch=128, chunk=200, learning_rate=3e-3))


class Fork:
    """Whatever it sees, it pushes by 0.7 to one side or to the other, half of the time each."""

    length = 8

    def sample(self, rng: np.random.Generator, batch: int) -> Window:
        side = rng.choice([-1.0, 1.0], (batch, 1, 1))
        action = np.broadcast_to(0.7 * side, (batch, self.length, 1)) + 0.02 * rng.normal(size=(batch, self.length, 1))
        seen = {"x": rng.normal(size=(batch, self.length + 1, 1)).astype(np.float32)}
        flags = np.zeros((batch, self.length), bool)
        return Window(seen, action.astype(np.float32), flags.astype(np.float32), flags, ~flags)


def untrained() -> DiffusionPolicy:
    window = Fork().sample(np.random.default_rng(9), 500)
    seen = {"x": window.observation["x"].reshape(-1, 1)}
    return DiffusionPolicy.build(SHAPE, SPEC, 0).measured(seen, window.action.reshape(-1, 1), SPEC)


@pytest.fixture(scope="module")
def cloned():
    history = History()
    return clone_by_diffusion(CONFIG, untrained(), Fork(), progress=history), history


@pytest.mark.parametrize("sampler", [DDIM(10), DDPM()], ids=["ddim", "ddpm"])
def test_both_ways_of_the_demonstrations_come_back(cloned, sampler):
    policy = cloned[0].policy.sampling(sampler)
    seen = jax.random.normal(jax.random.key(1), (200, 2, 1))
    chunks = jax.jit(jax.vmap(policy.chunk))(seen, jax.random.split(jax.random.key(2), 200))[..., 0]
    left = np.asarray(chunks.mean(-1)) < 0
    assert 0.3 < left.mean() < 0.7
    away = np.abs(np.asarray(chunks) - np.where(left, -0.7, 0.7)[:, None]).max(-1)
    assert np.mean(away < 0.25) > 0.9


def test_a_regression_averages_the_two_ways():
    window = Fork().sample(np.random.default_rng(9), 500)
    actor = Actor.build(ActorConfig("nano"), SPEC, 0).measured({"x": window.observation["x"].reshape(-1, 1)})
    averaging = clone(CloningConfig(updates=100, batch=128, chunk=50), actor, Fork()).actor
    actions = [averaging.act(None, {"x": jnp.array([x])}, jax.random.key(0))[0] for x in (-1.0, 0.0, 1.0)]
    assert np.abs(actions).max() < 0.3


def test_the_loss_falls_and_what_was_measured_stays(cloned):
    (_, state), history = cloned
    losses = history.curve("loss")[1]
    assert losses[-1] < 0.3 and losses[-1] < losses[0]
    before = untrained()
    for name in ("features", "limits"):
        ours, theirs = named_arrays(getattr(state.learned, name)), named_arrays(getattr(before, name))
        assert [key for key in ours if not np.array_equal(ours[key], theirs[key])] == []


def test_training_resumes_bit_for_bit(tmp_path, cloned):
    class StoppedError(Exception):
        pass

    def stop(report):
        if report.step == 400:
            raise StoppedError

    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(StoppedError):
        clone_by_diffusion(CONFIG, untrained(), Fork(), progress=stop, checkpoints=checkpoints)
    resumed = named_arrays(clone_by_diffusion(CONFIG, untrained(), Fork(), checkpoints=checkpoints).state)
    whole = named_arrays(cloned[0].state)
    assert whole.keys() == resumed.keys()
    assert [name for name in whole if not np.array_equal(whole[name], resumed[name])] == []


def test_windows_of_another_length_are_refused():
    short = Fork()
    short.length = 5
    with pytest.raises(ConfigError, match="horizon"):
        clone_by_diffusion(CONFIG, untrained(), short)
