"""A latent world: values of the global model, derivatives of the local one, through the plain rollout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diorama.core import (
    ArraySpec,
    EnvSpec,
    Policy,
    SpecError,
    Window,
    combine,
    filter_jit,
    is_inexact_array,
    partition,
)
from diorama.envs.teaching import CartPole, CartPoleState, Pendulum
from diorama.imagine import Decoupled, Exact, Stop, Through, as_env, rollout
from diorama.imagine.latent import as_latent
from diorama.models import build
from diorama.models.diffusion.config import DiffusionConfig
from diorama.models.rssm.config import RSSMConfig

KEY = jax.random.key(0)
WEIGHT = np.array([0.3, -0.2, 0.5, 0.1])


class Linear(Policy):
    """``action = 2 * tanh(weight . observation)`` of the one vector that is seen."""

    weight: jax.Array

    def init(self, spec):
        return None

    def act(self, memory, observation, key):
        (seen,) = observation.values()
        return 2.0 * jnp.tanh(self.weight @ seen)[None], memory


def _invert(observation, heavier=1.0):
    motion = observation["state"]
    return CartPoleState(motion, jnp.asarray(0.1 * heavier, motion.dtype), jnp.asarray(0.5, motion.dtype))


def _motion(belief):
    return belief[0].motion


def _start():
    return _invert({"state": jnp.array([0.01, 0.02, 0.03, -0.01])})


def _gradient(world, start, mode, length=20):
    """Of a smooth score of all that is seen, with respect to the policy's weights."""

    def cost(weight):
        seen = rollout(world, Linear(weight), start, length=length, key=KEY, gradient=mode)
        (observed,) = seen.observation.values()
        return jnp.sum(jnp.square(observed)) + jnp.sum(seen.reward * 0.97 ** jnp.arange(length))

    return jax.jit(jax.grad(cost))(jnp.asarray(WEIGHT))


def _latent(heavier=1.0):
    world = CartPole()
    local = Exact(world.spec, world, lambda observation: _invert(observation, heavier))
    latent = as_latent(world, local, view=_motion)
    state = latent.reset({"pole_mass": 0.1, "half_length": 0.5}, KEY)
    at_start = type(state)(_start(), local.start({"state": _start().motion}, KEY))
    return world, local, latent, at_start


def test_an_exact_pair_gives_the_true_gradient() -> None:
    with jax.enable_x64(True):
        world, _, latent, start = _latent()
        true = _gradient(world, _start(), Through())
        np.testing.assert_allclose(_gradient(latent, start, Through()), true, rtol=1e-10)
        assert float(jnp.linalg.norm(true)) > 1e-3


def test_a_wrong_local_model_lends_its_derivatives_as_the_decoupled_mode_does() -> None:
    with jax.enable_x64(True):
        world, local, latent, start = _latent(heavier=3.0)
        ours = _gradient(latent, start, Through())
        np.testing.assert_allclose(ours, _gradient(world, _start(), Decoupled(local)), rtol=1e-10)
        true = _gradient(world, _start(), Through())
        assert float(jnp.linalg.norm(ours - true)) > 1e-3 * float(jnp.linalg.norm(true))


def test_values_are_those_of_the_global_world() -> None:
    world, _, latent, start = _latent(heavier=3.0)
    policy = Linear(jnp.asarray(WEIGHT, jnp.float32))
    ours = rollout(latent, policy, start, length=20, key=KEY, gradient=Through())
    real = rollout(world, policy, _start(), length=20, key=KEY, gradient=Stop())
    np.testing.assert_array_equal(ours.observation["latent"], real.observation["state"])
    np.testing.assert_array_equal(ours.reward, real.reward)
    np.testing.assert_array_equal(ours.end, real.end)


PICTURE = EnvSpec(
    "picture",
    {"pixels": ArraySpec((16, 16, 3), "1", 0.0, 255.0, "uint8")},
    ArraySpec((1,), "1", -2.0, 2.0),
    0.1,
)


def _windows(count=3, steps=2):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (count, steps + 1, 16, 16, 3)).astype(np.uint8)
    none = np.zeros((count, steps), bool)
    action = rng.uniform(-1, 1, (count, steps, 1)).astype(np.float32)
    return Window({"pixels": pictures}, action, np.zeros((count, steps), np.float32), none, ~none)


@pytest.fixture(scope="module")
def pictures():
    windows = _windows()
    world = build(DiffusionConfig("nano", "patches", context=3, patch=8, steps=1), PICTURE, 0)
    local = build(RSSMConfig("nano"), PICTURE, 1)
    imagined = as_env(world, {"pixels": windows.observation["pixels"][:, 0]})
    return as_latent(imagined, local, jax.tree.map(jnp.asarray, windows))


def test_pictures_begin_at_the_end_of_a_real_stretch(pictures) -> None:
    state = filter_jit(lambda env: env.reset({}, KEY))(pictures)
    last = np.asarray(_windows().observation["pixels"][:, -1])
    shown = np.asarray(pictures.world.observe(state.world)["pixels"])
    assert any(np.array_equal(shown, picture) for picture in last) and state.world.known.all()
    assert pictures.observe(state)["latent"].shape == pictures.spec.observation["latent"].shape == (256,)


def test_no_derivative_reaches_the_global_world(pictures) -> None:
    state, length = pictures.reset({}, KEY), 2

    def cost(weight, moved, fixed):
        env = as_latent(combine(moved, fixed), pictures.local)
        seen = rollout(env, Linear(weight), state, length=length, key=KEY, gradient=Through())
        return jnp.sum(seen.observation["latent"] ** 2)

    moved, fixed = partition(pictures.world, is_inexact_array)
    gradient = filter_jit(lambda fixed, *given: jax.grad(lambda w, m: cost(w, m, fixed), argnums=(0, 1))(*given))
    of_policy, of_world = gradient(fixed, jnp.full(256, 0.05), moved)
    assert np.isfinite(of_policy).all() and float(jnp.abs(of_policy).max()) > 0
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(of_world))


def test_what_cannot_work_is_refused() -> None:
    world, other = CartPole(), Pendulum()
    local = build(RSSMConfig("nano"), PICTURE, 1)
    with pytest.raises(SpecError, match=r"needs the observations \['pixels'\]"):
        as_latent(world, local)
    exact = Exact(other.spec, other, lambda observation: observation)
    with pytest.raises(SpecError, match="cannot begin at the end of a window"):
        as_latent(other, exact, _windows(), view=lambda belief: belief[1][None])
