"""Fit a world model to windows of real interaction.

Logged: ``loss`` and each term of the model's own loss (means over the chunk), ``gradient_norm`` before clipping,
``held_out`` (the loss on held-out windows) and ``best`` (the lowest of those so far).
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Metrics, Module, Window, WorldModel, filter_jit, filter_value_and_grad
from diorama.learn.checkpoint import Checkpoints
from diorama.learn.config import CloningConfig, FitConfig
from diorama.learn.progress import Clock, Progress, silent
from diorama.learn.state import TrainState, adam, copied, cosine, descend, fresh, parameters


@runtime_checkable
class WindowSource(Protocol):
    """Where windows come from: `diorama.data.windows.Windows`, or anything with this method."""

    def sample(self, rng: np.random.Generator, batch: int) -> Window:
        """A batch of windows ``[batch, T, ...]``, drawn with replacement."""


class Best(Module):
    """The model with the lowest held-out loss so far, that loss, and for how many chunks it has stood."""

    model: Any
    loss: Float[Array, ""]
    stale: Float[Array, ""]


class Fitted(NamedTuple):
    """The best model, and the state to go on from."""

    model: Any
    state: TrainState


def init(config: FitConfig, model: WorldModel) -> TrainState:
    """The state before the first update of a model whose normalisers are already measured."""
    optimiser = _optimiser(config).init(parameters(model))
    return fresh(model, optimiser, config.seed, Best(model, jnp.array(jnp.inf, jnp.float32), jnp.zeros(())))


@filter_jit(donate="all-except-first")
def update(given: tuple[FitConfig, Window], state: TrainState) -> tuple[TrainState, Metrics]:
    """One chunk of updates as one program. ``given``: the configuration and windows ``[U, B, ...]``."""
    config, windows = given

    def body(state: TrainState, batch: Window) -> tuple[TrainState, Metrics]:
        key, use = jax.random.split(state.key)
        (loss, metrics), gradient = _value_and_gradient(state.learned, batch, use)
        model, optimiser, norm = descend(_optimiser(config), state.learned, gradient, state.optimiser)
        following = TrainState(model, optimiser, key, state.cursor + 1, state.extra)
        return following, metrics | {"loss": loss, "gradient_norm": norm}

    state, metrics = jax.lax.scan(body, state, windows)
    return state, jax.tree.map(jnp.mean, metrics)


@filter_jit(donate="all-except-first")
def judge(given: tuple[Window], state: TrainState) -> tuple[TrainState, Metrics]:
    """Measure the held-out loss on windows ``[N, ...]`` and keep the model where it is the best so far."""
    loss, _ = batch_loss(state.learned, given[0], jax.random.key(0))
    best = state.extra
    better = loss < best.loss
    model = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.learned, best.model)
    kept = Best(model, jnp.minimum(loss, best.loss), jnp.where(better, 0.0, best.stale + 1))
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
) -> Fitted:
    """Fit ``model`` and return it as it was at its lowest held-out loss. Resumes from what ``checkpoints`` holds."""
    state = init(config, model)
    state = (checkpoints.restore(state) if checkpoints else None) or state
    watch = jax.tree.map(jnp.asarray, held_out.sample(np.random.default_rng(config.seed), config.held_out))
    clock = Clock("fit", config.updates, progress)
    done = int(state.cursor)
    while done < config.updates and float(state.extra.stale) < config.patience:
        state, metrics = update((config, draw(config, training, done)), state)
        state, seen = judge((watch,), state)
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


def _optimiser(config: FitConfig) -> Any:
    return adam(cosine(config.learning_rate, config.warmup, config.updates), config.gradient_norm, config.weight_decay)
