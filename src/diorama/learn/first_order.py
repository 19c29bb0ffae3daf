"""A policy trained by derivatives of imagined return, with a critic for what lies beyond the horizon.

Sources: SHAC (arXiv 2204.07137) for short horizons with a terminal critic and TD(lambda) targets, SAPO (2412.12089) for
the entropy, PWM (2407.02466) for doing it in a learned world. The gradient mode is an argument: `Through` the world,
or `Decoupled`, which is DMO (2509.00215).

Logged: ``return`` (mean sum of the imagined rewards over the horizon, undiscounted), ``objective`` (what the actor
climbs: discounted rewards + terminal value, per step), ``entropy`` (of the actor, relative to uniform, at most 0),
``gradient_norm`` (the actor's, before clipping), ``value_loss`` (mean squared error against the TD(lambda) targets) and
``value`` (the mean of those targets).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import (
    Env,
    Metrics,
    Module,
    Trajectory,
    combine,
    filter_jit,
    filter_value_and_grad,
    is_inexact_array,
    partition,
)
from diorama.imagine import Gradient, rollout
from diorama.learn.checkpoint import Checkpoints
from diorama.learn.config import FirstOrderConfig
from diorama.learn.progress import Clock, Progress, silent
from diorama.learn.state import TrainState, adam, cosine, descend, fresh, parameters
from diorama.learn.worlds import Worlds
from diorama.policies.actor import Actor, Critic, Sampled


class Learned(Module):
    """What is trained."""

    actor: Actor
    critic: Critic


class Given(NamedTuple):
    """What an update needs besides the state."""

    config: FirstOrderConfig
    worlds: Worlds
    gradient: Gradient


def init(config: FirstOrderConfig, actor: Actor, critic: Critic) -> TrainState:
    """The state before the first update: an actor that samples, and in ``extra`` the target critic."""
    actor = actor.choosing(Sampled())
    for_actor, for_critic = _optimisers(config)
    optimisers = (for_actor.init(parameters(actor)), for_critic.init(parameters(critic)))
    return fresh(Learned(actor, critic), optimisers, config.seed, critic)


@filter_jit(donate="all-except-first")
def update(given: tuple[Given, int], state: TrainState) -> tuple[TrainState, Metrics]:
    """One chunk of updates as one program; ``given`` ends with the number of updates."""
    setting, count = given
    state, metrics = jax.lax.scan(lambda held, _: one_update(setting, held), state, length=count)
    return state, jax.tree.map(jnp.mean, metrics)


def one_update(given: Given, state: TrainState) -> tuple[TrainState, Metrics]:
    """One actor step along the derivative of imagined return, then some critic steps on what was imagined."""
    config = given.config
    key, world_key, roll_key, critic_key = jax.random.split(state.key, 4)
    env = given.worlds.draw(world_key)
    learned, target = state.learned, state.extra
    (_, (seen, metrics)), gradient = _actor_gradient(learned.actor, given, env, target, roll_key)
    for_actor, for_critic = _optimisers(config)
    actor, actor_state, norm = descend(for_actor, learned.actor, gradient, state.optimiser[0])
    wanted = jax.vmap(lambda t: lambda_returns(config, t, jax.vmap(target)(t.observation)))(seen)
    critic, critic_state, value_metrics = _fit_critic(
        config, learned.critic, state.optimiser[1], seen, wanted, critic_key
    )
    target = _towards(target, critic, config.target_rate)
    optimisers = (actor_state, critic_state)
    following = TrainState(Learned(actor, critic), optimisers, key, state.cursor + 1, target)
    return following, metrics | value_metrics | {"gradient_norm": norm}


def train_first_order(
    config: FirstOrderConfig,
    actor: Actor,
    critic: Critic,
    worlds: Worlds,
    gradient: Gradient,
    *,
    progress: Progress = silent,
    checkpoints: Checkpoints | None = None,
) -> TrainState:
    """Train for ``config.updates``; the actor is ``state.learned.actor``. Resumes from what ``checkpoints`` holds."""
    state = init(config, actor, critic)
    state = (checkpoints.restore(state) if checkpoints else None) or state
    clock = Clock("train", config.updates, progress)
    done = int(state.cursor)
    while done < config.updates:
        count = min(config.chunk, config.updates - done)
        state, metrics = update((Given(config, worlds, gradient), count), state)
        done = int(state.cursor)
        if checkpoints:
            checkpoints.save(state, done)
        clock.report(done, {name: float(value) for name, value in metrics.items()})
    return state


def lambda_returns(config: FirstOrderConfig, seen: Trajectory, values: Float[Array, " T1"]) -> Float[Array, " T"]:
    """TD(lambda) targets of one trajectory (Sutton and Barto, 12.1); ``values`` are those of its T + 1 observations."""

    def body(after: Array, given: tuple) -> tuple[Array, Array]:
        reward, goes_on, value = given
        mixed = (1 - config.trace) * value + config.trace * after
        now = reward + config.discount * goes_on * mixed
        return now, now

    goes_on = 1.0 - seen.end
    _, targets = jax.lax.scan(body, values[-1], (seen.reward, goes_on, values[1:]), reverse=True)
    return targets


def _actor_loss(
    actor: Actor, given: Given, env: Env, target: Critic, key: PRNGKeyArray
) -> tuple[Float[Array, ""], tuple[Trajectory, Metrics]]:
    config = given.config
    keys = jax.random.split(key, config.worlds)
    seen, gain, entropy = jax.vmap(lambda k: _imagine(actor, given, env, target, k))(keys)
    objective = jnp.mean(gain) + config.entropy * jnp.mean(entropy)
    metrics = {"objective": objective, "entropy": jnp.mean(entropy), "return": jnp.mean(seen.reward.sum(-1))}
    return -objective, (jax.lax.stop_gradient(seen), metrics)


_actor_gradient = filter_value_and_grad(_actor_loss, has_aux=True)


def _imagine(
    actor: Actor, given: Given, env: Env, target: Critic, key: PRNGKeyArray
) -> tuple[Trajectory, Float[Array, ""], Float[Array, ""]]:
    """One imagined trajectory, its discounted return with the terminal value (per step), and the actor's entropy."""
    config = given.config
    reset_key, roll_key, entropy_key = jax.random.split(key, 3)
    start = env.reset(env.spec.scenario.default(), reset_key)
    seen = rollout(env, actor, start, length=config.horizon, key=roll_key, gradient=given.gradient)
    discount = config.discount ** jnp.arange(config.horizon)
    last = {name: value[-1] for name, value in seen.observation.items()}
    beyond = jnp.where(seen.end.any(), 0.0, config.discount**config.horizon * target(last))
    gain = (jnp.sum(discount * seen.reward) + beyond) / config.horizon
    before = {name: jax.lax.stop_gradient(value[:-1]) for name, value in seen.observation.items()}
    keys = jax.random.split(entropy_key, config.horizon)
    entropy = -jax.vmap(lambda o, k: actor.distribution(o).sample(k)[1])(before, keys)
    return seen, gain, jnp.mean(entropy)


def _fit_critic(
    config: FirstOrderConfig, critic: Critic, state: optax.OptState, seen: Trajectory, wanted: Array, key: PRNGKeyArray
) -> tuple[Critic, optax.OptState, Metrics]:
    flat = {name: v[:, :-1].reshape(-1, *v.shape[2:]) for name, v in seen.observation.items()}
    wanted, mask = wanted.reshape(-1), seen.mask.reshape(-1)
    size = wanted.shape[0] // config.critic_steps
    order = jax.random.permutation(key, wanted.shape[0])[: size * config.critic_steps]
    batches = jax.tree.map(lambda a: a[order].reshape(config.critic_steps, size, *a.shape[1:]), (flat, wanted, mask))
    optimiser = _optimisers(config)[1]

    def body(held: tuple, batch: tuple) -> tuple:
        loss, gradient = _value_gradient(held[0], *batch)
        critic, state, _ = descend(optimiser, held[0], gradient, held[1])
        return (critic, state), loss

    (critic, state), losses = jax.lax.scan(body, (critic, state), batches)
    return critic, state, {"value_loss": jnp.mean(losses), "value": jnp.mean(wanted)}


@filter_value_and_grad
def _value_gradient(critic: Critic, observation: dict, wanted: Array, mask: Array) -> Float[Array, ""]:
    return jnp.sum(mask * (jax.vmap(critic)(observation) - wanted) ** 2) / jnp.maximum(mask.sum(), 1)


def _optimisers(config: FirstOrderConfig) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    actor = adam(cosine(config.actor_rate, 20, config.updates), config.gradient_norm)
    return actor, adam(config.critic_rate, config.gradient_norm)


def _towards(target: Critic, critic: Critic, rate: float) -> Critic:
    (old, rest), new = partition(target, is_inexact_array), parameters(critic)
    return combine(optax.incremental_update(new, old, rate), rest)
