"""A policy trained by derivatives of imagined return, with critics for what lies beyond the horizon.

Sources: SHAC (arXiv 2204.07137) for short horizons with a terminal critic and TD(lambda) targets, SAPO (2412.12089) for
the entropy and the two critics, PWM (2407.02466) for doing it in a learned world. The gradient mode is an argument:
`Through` the world, or `Decoupled`, which is DMO (2509.00215); its local model is refreshed on what the world shows
(arXiv 2602.06219) where the configuration asks for it.

Logged: ``samples`` (imagined steps so far), ``return`` (mean sum of the imagined rewards over the horizon,
undiscounted), ``objective`` (what the actor climbs: discounted rewards, entropy and terminal value, per step),
``entropy`` (of the actor, relative to uniform, at most 0), ``entropy_weight``, ``gradient_norm`` (the actor's, before
clipping), ``value_loss`` (mean squared error against the TD(lambda) targets), ``value`` (the mean of those targets) and
``local_loss`` (of the local model on what the world just showed, where it is refreshed).
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Env, Metrics, Module, Trajectory, WorldModel, filter_jit, filter_value_and_grad
from diorama.imagine import Decoupled, Gradient, rollout_to
from diorama.learn.checkpoint import Checkpoints
from diorama.learn.config import FirstOrderConfig
from diorama.learn.critics import Critics, critic_optimiser, fit_critics, lambda_returns, towards
from diorama.learn.progress import Clock, Progress, silent
from diorama.learn.refresh import refresh, refresh_optimiser
from diorama.learn.standing import Standing, begin, fresh_states, go_on
from diorama.learn.state import TrainState, adam, cosine, descend, fresh, parameters
from diorama.learn.worlds import Worlds
from diorama.policies.actor import Actor, Critic, Sampled


class Learned(Module):
    """What is trained: ``local`` is the local model of a `Decoupled` gradient where it is refreshed, else None."""

    actor: Actor
    critics: Critics
    local: WorldModel | None
    log_entropy_weight: Float[Array, ""]


class Carried(Module):
    """What else goes from one update to the next: the target critics, and the worlds where they go on."""

    targets: Critics
    standing: Standing | None


class Given(NamedTuple):
    """What an update needs besides the state."""

    config: FirstOrderConfig
    worlds: Worlds
    gradient: Gradient


def init(
    config: FirstOrderConfig, actor: Actor, critic: Critic | tuple[Critic, ...], worlds: Worlds, gradient: Gradient
) -> TrainState:
    """The state before the first update: an actor that samples, target critics, and worlds at their start."""
    critics = Critics.of(critic)
    local = gradient.local if isinstance(gradient, Decoupled) and config.refresh else None
    learned = Learned(actor.choosing(Sampled()), critics, local, jnp.log(jnp.maximum(config.entropy, 1e-8)))
    optimisers = (
        _actor_optimiser(config).init(parameters(learned.actor)),
        critic_optimiser(config).init(parameters(critics)),
        refresh_optimiser(config).init(parameters(local)) if local is not None else None,
        optax.adam(config.entropy_rate).init(learned.log_entropy_weight),
    )
    standing = _begin((config, worlds), jax.random.key(config.seed)) if config.episode else None
    return fresh(learned, optimisers, config.seed, Carried(critics, standing))


@filter_jit(donate="all-except-first")
def update(given: tuple[Given, int], state: TrainState) -> tuple[TrainState, Metrics]:
    """One chunk of updates as one program; ``given`` ends with the number of updates."""
    setting, count = given
    state, metrics = jax.lax.scan(lambda held, _: one_update(setting, held), state, length=count)
    return state, jax.tree.map(jnp.mean, metrics)


def one_update(given: Given, state: TrainState) -> tuple[TrainState, Metrics]:
    """One actor step along the derivative of imagined return, then critics and local model on what was imagined."""
    config, learned = given.config, state.learned
    key, world_key, start_key, roll_key, critic_key, go_key, refresh_key = jax.random.split(state.key, 7)
    env = given.worlds.draw(world_key)
    imagine = _Imagine(config, env, _current(given.gradient, learned.local), jnp.exp(learned.log_entropy_weight))
    standing = state.extra.standing
    starts = fresh_states(env, config.worlds, start_key) if standing is None else standing.state
    (_, seen), gradient = _actor_gradient(learned.actor, imagine, starts, learned.critics, roll_key)
    actor, actor_state, norm = descend(_actor_optimiser(config), learned.actor, gradient, state.optimiser[0])
    critics, critic_state, targets, metrics = _criticise(imagine, state, seen, critic_key)
    local, local_state, refreshed = refresh(
        config, learned.local, state.optimiser[2], seen.path, refresh_key, rewards=_learns_rewards(given.gradient)
    )
    entropy = seen.entropy / len(actor.low)
    weight, weight_state = _adapt(config, learned.log_entropy_weight, state.optimiser[3], entropy)
    if standing is not None:
        over = seen.path.end.any(axis=1)
        standing = go_on(env, standing, seen.last, over, config.horizon, config.episode, go_key)
    following = TrainState(
        Learned(actor, critics, local, weight),
        (actor_state, critic_state, local_state, weight_state),
        key,
        state.cursor + 1,
        Carried(targets, standing),
    )
    return following, seen.metrics | metrics | refreshed | {"gradient_norm": norm, "entropy_weight": jnp.exp(weight)}


def train_first_order(
    config: FirstOrderConfig,
    actor: Actor,
    critic: Critic | tuple[Critic, ...],
    worlds: Worlds,
    gradient: Gradient,
    *,
    progress: Progress = silent,
    checkpoints: Checkpoints | None = None,
    stage: str = "train",
    visit: Callable[[TrainState], None] | None = None,
) -> TrainState:
    """Train for ``config.updates``; the actor is ``state.learned.actor``. Resumes from what ``checkpoints`` holds.

    ``critic``: one critic, two (SAPO), or ``()`` for none, so that nothing lies beyond the horizon. ``stage`` is the
    name of the reports. ``visit`` is given the state after each chunk: to test the actor on the way.
    """
    state = init(config, actor, critic, worlds, gradient)
    state = (checkpoints.restore(state) if checkpoints else None) or state
    clock = Clock(stage, config.updates, progress)
    done = int(state.cursor)
    # The program asks for no seed; without it that of the next training that differs by its seed alone is the same.
    given = Given(dataclasses.replace(config, seed=0), worlds, gradient)
    while done < config.updates:
        count = min(config.chunk, config.updates - done)
        state, metrics = update((given, count), state)
        done = int(state.cursor)
        if checkpoints:
            checkpoints.save(state, done)
        told = {name: float(value) for name, value in metrics.items()}
        clock.report(done, told | {"samples": float(done * config.worlds * config.horizon)})
        if visit:
            visit(state)
    return state


class Imagination(Module):
    """What one update imagined, without derivatives.

    ``path``: trajectories ``[B, T]``; ``last``: the states where they stopped; ``soft``: rewards with the entropy's
    share ``[B, T]``; ``entropy``: the actor's mean entropy.
    """

    path: Trajectory
    last: Any
    soft: Float[Array, "B T"]
    entropy: Float[Array, ""]
    metrics: Metrics


class _Imagine(NamedTuple):
    config: FirstOrderConfig
    env: Env
    gradient: Gradient
    weight: Float[Array, ""]

    def __call__(
        self, actor: Actor, start: Any, critics: Critics, key: PRNGKeyArray
    ) -> tuple[Trajectory, Any, Array, Array, Array]:
        """One trajectory, where it stopped, its soft rewards, its entropies, and its gain per step."""
        config = self.config
        roll_key, entropy_key = jax.random.split(key)
        seen, last = rollout_to(self.env, actor, start, length=config.horizon, key=roll_key, gradient=self.gradient)
        entropy = _entropies(actor, seen, entropy_key)
        soft = seen.reward + (self.weight * entropy * seen.mask if config.entropy else 0.0)
        discount = config.discount ** jnp.arange(config.horizon)
        beyond = critics.mean({name: value[-1] for name, value in seen.observation.items()})
        beyond = jnp.where(seen.end.any(), 0.0, config.discount**config.horizon * beyond)
        return seen, last, soft, entropy, (jnp.sum(discount * soft) + beyond) / config.horizon


def _entropies(actor: Actor, seen: Trajectory, key: PRNGKeyArray) -> Float[Array, " T"]:
    """The entropy of the actor at each observation, estimated by one more sample."""
    before = {name: value[:-1] for name, value in seen.observation.items()}
    keys = jax.random.split(key, seen.reward.shape[0])
    return -jax.vmap(lambda o, k: actor.distribution(o).sample(k)[1])(before, keys)


def _actor_loss(
    actor: Actor, imagine: _Imagine, starts: Any, critics: Critics, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Imagination]:
    keys = jax.random.split(key, imagine.config.worlds)
    seen, last, soft, entropy, gain = jax.vmap(lambda s, k: imagine(actor, s, critics, k))(starts, keys)
    metrics = {"objective": jnp.mean(gain), "entropy": jnp.mean(entropy), "return": jnp.mean(seen.reward.sum(-1))}
    imagined = Imagination(seen, last, soft, jnp.mean(entropy), metrics)
    return -jnp.mean(gain), jax.lax.stop_gradient(imagined)


_actor_gradient = filter_value_and_grad(_actor_loss, has_aux=True)


def _criticise(
    imagine: _Imagine, state: TrainState, seen: Imagination, key: PRNGKeyArray
) -> tuple[Critics, Any, Critics, Metrics]:
    """The critics after their steps, their optimiser's state, the target critics, and what to log."""
    config, targets = imagine.config, state.extra.targets
    wanted = jax.vmap(lambda t, r: lambda_returns(config, t, r, jax.vmap(targets.least)(t.observation)))(
        seen.path, seen.soft
    )
    critics, held, metrics = fit_critics(config, state.learned.critics, state.optimiser[1], seen.path, wanted, key)
    return critics, held, towards(targets, critics, config.target_rate), metrics


def _adapt(config: FirstOrderConfig, weight: Array, held: Any, entropy: Array) -> tuple[Array, Any]:
    """The logarithm of the entropy's weight: up where the entropy is below its target (SAPO, section 4)."""
    if config.entropy_target is None or not config.entropy:
        return weight, held
    wanted = config.entropy_target
    updates, held = optax.adam(config.entropy_rate).update(entropy - wanted, held)
    return weight + updates, held


def _learns_rewards(gradient: Gradient) -> bool:
    """Whether the local model's reward head is what the actor's gradient passes through."""
    return isinstance(gradient, Decoupled) and gradient.reward is None


def _current(gradient: Gradient, local: WorldModel | None) -> Gradient:
    """The gradient mode with the local model as it is now."""
    return gradient if local is None else Decoupled(local, gradient.reward)


@filter_jit
def _begin(given: tuple[FirstOrderConfig, Worlds], key: PRNGKeyArray) -> Standing:
    config, worlds = given
    draw_key, begin_key = jax.random.split(key)
    return begin(worlds.draw(draw_key), config.worlds, config.episode, begin_key)


def _actor_optimiser(config: FirstOrderConfig) -> optax.GradientTransformation:
    return adam(cosine(config.actor_rate, 20, config.updates), config.gradient_norm)
