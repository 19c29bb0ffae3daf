"""Behaviour cloning by diffusion: fit a `DiffusionPolicy` to demonstrated chunks of actions.

Source: Diffusion Policy (Chi et al. 2023, arXiv 2303.04137): the network learns to see through the noise of a chunk
given the last observations, and the policy is an exponential average of it. Here it sees the velocity (arXiv
2202.00512) and not the noise, which made better samples in our trials. Windows have ``horizon`` steps.

Logged: ``loss`` (mean squared error of the velocity, in units of half the range of demonstrated actions),
``gradient_norm`` (before clipping) and ``kept`` (the share of itself that the average keeps in an update).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import (
    ConfigError,
    Metrics,
    Window,
    combine,
    filter_jit,
    filter_value_and_grad,
    is_inexact_array,
    partition,
    tree_at,
)
from diorama.learn.checkpoint import Checkpoints
from diorama.learn.diffusion_cloning_config import DiffusionCloningConfig
from diorama.learn.fitting import WindowSource, draw
from diorama.learn.progress import Clock, Progress, silent
from diorama.learn.state import TrainState, adam, copied, cosine, descend, fresh, parameters
from diorama.policies.denoisers import Denoiser
from diorama.policies.diffusion_policy import DiffusionPolicy


class DiffusionCloned(NamedTuple):
    """The averaged policy, and the state to go on from."""

    policy: DiffusionPolicy
    state: TrainState


def init(config: DiffusionCloningConfig, policy: DiffusionPolicy) -> TrainState:
    """The state before the first update of a measured policy; ``extra`` is the averaged policy.

    The denoiser alone is trained: weight decay must not touch what was measured.
    """
    return fresh(policy, _optimiser(config).init(parameters(policy.denoiser)), config.fit.seed, policy)


@filter_jit(donate="all-except-first")
def update(given: tuple[DiffusionCloningConfig, Window], state: TrainState) -> tuple[TrainState, Metrics]:
    """One chunk of updates as one program. ``given``: the configuration and windows ``[U, B, ...]``."""
    config, windows = given

    def body(state: TrainState, batch: Window) -> tuple[TrainState, Metrics]:
        key, use = jax.random.split(state.key)
        policy, average = state.learned, state.extra
        loss, gradient = _value_and_gradient(policy.denoiser, policy, batch, use)
        denoiser, optimiser, norm = descend(_optimiser(config), policy.denoiser, gradient, state.optimiser)
        kept = jnp.minimum(1 - (1.0 + state.cursor) ** -config.power, config.most)
        average = _with(average, _towards(average.denoiser, denoiser, 1 - kept))
        following = TrainState(_with(policy, denoiser), optimiser, key, state.cursor + 1, average)
        return following, {"loss": loss, "gradient_norm": norm, "kept": kept}

    state, metrics = jax.lax.scan(body, state, windows)
    return state, jax.tree.map(jnp.mean, metrics)


def clone_by_diffusion(
    config: DiffusionCloningConfig,
    policy: DiffusionPolicy,
    demonstrations: WindowSource,
    *,
    progress: Progress = silent,
    checkpoints: Checkpoints | None = None,
) -> DiffusionCloned:
    """Fit ``policy`` to windows of ``policy.config.horizon`` steps. Resumes from ``checkpoints`` where it finds one.

    Raises `ConfigError` where the windows have another length.
    """
    state = init(config, policy)
    state = (checkpoints.restore(state) if checkpoints else None) or state
    clock = Clock("clone", config.fit.updates, progress)
    done = int(state.cursor)
    while done < config.fit.updates:
        windows = draw(config.fit, demonstrations, done)
        _check_length(policy, windows)
        state, metrics = update((config, windows), state)
        done = int(state.cursor)
        if checkpoints:
            checkpoints.save(state, done)
        clock.report(done, {name: float(value) for name, value in metrics.items()})
    return DiffusionCloned(copied(state.extra), state)


def denoising_loss(policy: DiffusionPolicy, window: Window, key: PRNGKeyArray) -> Float[Array, ""]:
    """The mean squared error of the velocity seen in one window's chunk at a random step of the schedule.

    Steps beyond the end of an episode do not count.
    """
    step_key, noise_key = jax.random.split(key)
    schedule, layout = policy.schedule, policy.features.layout
    history = layout.flatten({name: window.observation[name][: policy.config.history] for name in layout.names})
    clean = policy.unit(window.action, history[-1])
    step = jax.random.randint(step_key, (), 0, schedule.steps)
    noise = jax.random.normal(noise_key, clean.shape)
    seen = policy.denoiser(schedule.noisy(clean, noise, step), step, policy.see(history))
    error = jnp.mean((seen - schedule.velocity(clean, noise, step)) ** 2, axis=-1)
    return jnp.sum(error * window.mask) / jnp.maximum(window.mask.sum(), 1)


@filter_value_and_grad
def _value_and_gradient(denoiser: Denoiser, policy: DiffusionPolicy, windows: Window, key: PRNGKeyArray) -> Array:
    keys = jax.random.split(key, windows.reward.shape[0])
    policy = _with(policy, denoiser)
    return jnp.mean(jax.vmap(lambda window, k: denoising_loss(policy, window, k))(windows, keys))


def _with(policy: DiffusionPolicy, denoiser: Denoiser) -> DiffusionPolicy:
    return tree_at(lambda p: p.denoiser, policy, denoiser)


def _towards(old: Denoiser, new: Denoiser, share: Array) -> Denoiser:
    held, rest = partition(old, is_inexact_array)
    return combine(optax.incremental_update(parameters(new), held, share), rest)


def _check_length(policy: DiffusionPolicy, windows: Window) -> None:
    if windows.length != policy.config.horizon:
        raise ConfigError(
            f"The windows have {windows.length} steps and the policy plans {policy.config.horizon}; "
            "cut windows as long as the horizon."
        )


def _optimiser(config: DiffusionCloningConfig) -> optax.GradientTransformation:
    fit = config.fit
    return adam(cosine(fit.learning_rate, config.warmup, fit.updates), fit.gradient_norm, fit.weight_decay)
