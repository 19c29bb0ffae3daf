"""Fit a world model to windows of real interaction.

Logged: ``loss`` and each term of the model's own loss (means over the chunk), ``gradient_norm`` before clipping,
``held_out`` (the loss on held-out windows) and ``best`` (the lowest of those so far).

With `FitConfig.average` the model that is judged and kept is a running average of the parameters, as in EDM (arXiv
2206.00364). After t updates it keeps at most (1 + t) / (10 + t) of itself (TensorFlow's `ExponentialMovingAverage`).
"""

import dataclasses
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import (
    Metrics,
    Module,
    Window,
    WorldModel,
    combine,
    filter_jit,
    filter_value_and_grad,
    is_inexact_array,
    partition,
)
from diorama.learn.checkpoint import Checkpoints
from diorama.learn.config import CloningConfig, FitConfig
from diorama.learn.precision import products
from diorama.learn.progress import Clock, Progress, silent
from diorama.learn.state import TrainState, adam, copied, cosine, descend, fresh, parameters


@runtime_checkable
class WindowSource(Protocol):
    """Where windows come from: `diorama.data.windows.Windows`, or anything with this method."""

    def sample(self, rng: np.random.Generator, batch: int) -> Window:
        """A batch of windows ``[batch, T, ...]``, drawn with replacement."""


class Kept(Module):
    """The model with the lowest held-out loss so far, that loss, for how many chunks it has stood, and the average.

    ``average``: the model with the running average of the parameters, None where there is none.
    """

    model: Any
    loss: Float[Array, ""]
    stale: Float[Array, ""]
    average: Any


class Fitted(NamedTuple):
    """The best model, and the state to go on from."""

    model: Any
    state: TrainState


def init(config: FitConfig, model: WorldModel) -> TrainState:
    """The state before the first update of a model whose normalisers are already measured."""
    optimiser = _optimiser(config).init(parameters(model))
    kept = Kept(model, jnp.array(jnp.inf, jnp.float32), jnp.zeros(()), model if config.average else None)
    return fresh(model, optimiser, config.seed, kept)


@filter_jit(donate="all-except-first")
def update(given: tuple[FitConfig, Window], state: TrainState) -> tuple[TrainState, Metrics]:
    """One chunk of updates as one program. ``given``: the configuration and windows ``[U, B, ...]``."""
    config, windows = given

    def body(state: TrainState, batch: Window) -> tuple[TrainState, Metrics]:
        key, use = jax.random.split(state.key)
        with products(config.precision):
            (loss, metrics), gradient = _value_and_gradient(state.learned, batch, use)
        model, optimiser, norm = descend(_optimiser(config), state.learned, gradient, state.optimiser)
        kept = dataclasses.replace(state.extra, average=_averaged(config, state.extra.average, model, state.cursor))
        following = TrainState(model, optimiser, key, state.cursor + 1, kept)
        return following, metrics | {"loss": loss, "gradient_norm": norm}

    state, metrics = jax.lax.scan(body, state, windows)
    return state, jax.tree.map(jnp.mean, metrics)


@filter_jit(donate="all-except-first")
def judge(given: tuple[FitConfig, Window], state: TrainState) -> tuple[TrainState, Metrics]:
    """Measure the held-out loss and keep the model, or its average, where it is the best so far.

    ``given``: the configuration and windows ``[N, ...]``.
    """
    config, windows = given
    best = state.extra
    judged = state.learned if best.average is None else best.average
    with products(config.precision):
        loss, _ = batch_loss(judged, windows, jax.random.key(0))
    better = loss < best.loss
    model = jax.tree.map(lambda new, old: jnp.where(better, new, old), judged, best.model)
    kept = Kept(model, jnp.minimum(loss, best.loss), jnp.where(better, 0.0, best.stale + 1), best.average)
    following = TrainState(state.learned, state.optimiser, state.key, state.cursor, kept)
    return following, {"held_out": loss, "best": kept.loss}


def fit(
    config: FitConfig,
    model: WorldModel,
    training: WindowSource,
    held_out: WindowSource,
    *,
    progress: Progress = silent,
    checkpoints: Checkpoints | None = None,
    stage: str = "fit",
) -> Fitted:
    """Fit ``model`` and return it as it was at its lowest held-out loss. Resumes from what ``checkpoints`` holds.

    ``stage``: what the reports call this.
    """
    state = init(config, model)
    state = (checkpoints.restore(state) if checkpoints else None) or state
    watch = jax.tree.map(jnp.asarray, held_out.sample(np.random.default_rng(config.seed), config.held_out))
    clock = Clock(stage, config.updates, progress)
    done = int(state.cursor)
    # The programs ask for no seed; without it those of the next fit that differs by its seed alone are the same.
    alike = dataclasses.replace(config, seed=0)
    while done < config.updates and float(state.extra.stale) < config.patience:
        state, metrics = update((alike, draw(config, training, done)), state)
        state, seen = judge((alike, watch), state)
        done = int(state.cursor)
        if checkpoints:
            checkpoints.save(state, done)
        clock.report(done, {name: float(value) for name, value in (metrics | seen).items()})
    return Fitted(copied(state.extra.model), state)


def draw(config: FitConfig | CloningConfig, source: WindowSource, done: int) -> Window:
    """The windows ``[U, B, ...]`` of the chunk after ``done`` updates; they depend on the seed and ``done`` only."""
    count = min(config.chunk, config.updates - done)
    flat = source.sample(np.random.default_rng([config.seed, done]), count * config.batch)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf.reshape(count, config.batch, *leaf.shape[1:])), flat)


def batch_loss(model: WorldModel, windows: Window, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
    """The mean loss, and the mean of its terms, over windows ``[B, ...]``."""
    keys = jax.random.split(key, windows.reward.shape[0])
    losses, metrics = jax.vmap(model.loss)(windows, keys)
    return jnp.mean(losses), jax.tree.map(jnp.mean, metrics)


_value_and_gradient = filter_value_and_grad(batch_loss, has_aux=True)


def _averaged(config: FitConfig, average: Any, model: Any, done: Array) -> Any:
    """The running average after one more update; ``done``: updates before it."""
    if average is None:
        return None
    share = 1 - jnp.minimum(config.average, (1 + done) / (10 + done))
    held, rest = partition(model, is_inexact_array)
    # In this form what never changes, such as the statistics of a normaliser, stays the same to the last bit.
    return combine(jax.tree.map(lambda old, new: old + share * (new - old), parameters(average), held), rest)


def _optimiser(config: FitConfig) -> Any:
    return adam(cosine(config.learning_rate, config.warmup, config.updates), config.gradient_norm, config.weight_decay)
