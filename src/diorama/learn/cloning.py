"""Behaviour cloning: fit an actor to demonstrated actions. It sees one observation at a time.

Logged: ``loss`` (mean squared error of the squashed mean, in units of half the action's range) and ``gradient_norm``.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Metrics, Window, filter_jit, filter_value_and_grad
from diorama.learn.checkpoint import Checkpoints
from diorama.learn.config import CloningConfig
from diorama.learn.fitting import WindowSource, draw
from diorama.learn.progress import Clock, Progress, silent
from diorama.learn.state import TrainState, adam, cosine, descend, fresh, parameters
from diorama.policies.actor import Actor


class Cloned(NamedTuple):
    """The actor, and the state to go on from."""

    actor: Actor
    state: TrainState


def init(config: CloningConfig, actor: Actor) -> TrainState:
    """The state before the first update of an actor whose normaliser is already measured."""
    return fresh(actor, _optimiser(config).init(parameters(actor)), config.seed)


@filter_jit(donate="all-except-first")
def update(given: tuple[CloningConfig, Window], state: TrainState) -> tuple[TrainState, Metrics]:
    """One chunk of updates as one program. ``given``: the configuration and windows ``[U, B, ...]``."""
    config, windows = given

    def body(state: TrainState, batch: Window) -> tuple[TrainState, Metrics]:
        loss, gradient = _value_and_gradient(state.learned, batch)
        actor, optimiser, norm = descend(_optimiser(config), state.learned, gradient, state.optimiser)
        following = TrainState(actor, optimiser, state.key, state.cursor + 1, None)
        return following, {"loss": loss, "gradient_norm": norm}

    state, metrics = jax.lax.scan(body, state, windows)
    return state, jax.tree.map(jnp.mean, metrics)


def clone(
    config: CloningConfig,
    actor: Actor,
    demonstrations: WindowSource,
    *,
    progress: Progress = silent,
    checkpoints: Checkpoints | None = None,
) -> Cloned:
    """Fit ``actor`` to windows of demonstrations. Resumes from ``checkpoints`` where it finds one."""
    state = init(config, actor)
    state = (checkpoints.restore(state) if checkpoints else None) or state
    clock = Clock("clone", config.updates, progress)
    done = int(state.cursor)
    while done < config.updates:
        state, metrics = update((config, draw(config, demonstrations, done)), state)
        done = int(state.cursor)
        if checkpoints:
            checkpoints.save(state, done)
        clock.report(done, {name: float(value) for name, value in metrics.items()})
    return Cloned(state.learned, state)


def cloning_loss(actor: Actor, window: Window) -> Float[Array, ""]:
    """The mean squared error of the squashed mean over one window, in units of half the action's range."""
    before = {name: value[:-1] for name, value in window.observation.items()}
    distribution = jax.vmap(actor.distribution)(before)
    meant = jax.vmap(lambda d: d.mode())(distribution)
    half = (distribution.high - distribution.low) / 2
    error = jnp.mean(((meant - window.action) / half) ** 2, axis=-1)
    return jnp.sum(error * window.mask) / jnp.maximum(window.mask.sum(), 1)


@filter_value_and_grad
def _value_and_gradient(actor: Actor, windows: Window) -> Float[Array, ""]:
    return jnp.mean(jax.vmap(lambda window: cloning_loss(actor, window))(windows))


def _optimiser(config: CloningConfig) -> object:
    return adam(cosine(config.learning_rate, 100, config.updates), config.gradient_norm, config.weight_decay)
