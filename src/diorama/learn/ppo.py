"""Proximal policy optimisation in any `Env`: a simulator in JAX, or a learned world (`as_env`).

Source: Schulman et al. 2017 (arXiv 1707.06347), with what Engstrom et al. 2020 (arXiv 2005.12729) and Andrychowicz et
al. 2021 (arXiv 2006.05990) found to matter: generalised advantages (arXiv 1506.02438) normalised in each minibatch,
running statistics of observations and returns, a falling learning rate, clipped gradients and a stop by divergence. A
world that is cut off is worth its critic's value (Pardo et al. 2018, arXiv 1712.00378).

Logged: ``samples`` (steps of the worlds so far), ``return`` (mean undiscounted return of the episodes that finished
last, of the sampling policy, in the reward's unit; left out before the first), ``policy_loss`` (minus the clipped
objective), ``value_loss`` (half the mean squared error, in units of scaled reward), ``explained`` (share of the
returns' variance that the critic explained before it learned from them, at most 1), ``entropy`` (relative to uniform,
at most 0), ``divergence`` (estimated KL [nat] from the policy that acted, mean over the minibatches learned from),
``clipped`` (share of the ratios beyond the clip), ``used`` (share of the planned steps of Adam that were taken before
the stop by divergence), ``gradient_norm`` (before clipping), ``rate`` (learning rate) and ``scale`` (what rewards are
divided by).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from diorama.core import ConfigError, Env, Metrics, Module, filter_jit, filter_value_and_grad, tree_at
from diorama.core.env import Observation
from diorama.learn.checkpoint import Checkpoints
from diorama.learn.moments import Moments
from diorama.learn.persistent import Persistent, Piece, advantages, begin, run_on
from diorama.learn.ppo_config import PPOConfig
from diorama.learn.progress import Clock, Progress, silent
from diorama.learn.state import TrainState, adam, descend, fresh, parameters
from diorama.learn.worlds import Worlds
from diorama.nn import Features, Normaliser
from diorama.policies.actor import Actor, Critic, Sampled


class Learned(Module):
    """What is trained. The critic's values are in units of scaled reward, see ``scale``."""

    actor: Actor
    critic: Critic


class Carried(Module):
    """What else goes from one update to the next: the worlds, statistics, and the returns of finished episodes."""

    worlds: Persistent
    seen: Moments
    returns: Moments
    latest: Float[Array, ""]
    episodes: Float[Array, ""]


class Given(NamedTuple):
    """What an update needs besides the state."""

    config: PPOConfig
    worlds: Worlds


class Batch(Module):
    """Steps ``[N]`` to learn from: what was seen and done, and what the policy and critic of the time said of it."""

    observation: Observation
    action: Float[Array, "N A"]
    log_density: Float[Array, " N"]
    advantage: Float[Array, " N"]
    value: Float[Array, " N"]
    wanted: Float[Array, " N"]


def init(config: PPOConfig, actor: Actor, critic: Critic, worlds: Worlds) -> TrainState:
    """The state before the first update, with worlds that have begun. Statistics of observations begin at none.

    Raises `ConfigError` where actor and critic do not see the same features.
    """
    if actor.features.size != critic.features.size:
        raise ConfigError(
            f"The actor sees {actor.features.size} features and the critic {critic.features.size}; "
            "build both with the same frame."
        )
    learned = Learned(actor.choosing(Sampled()), critic)
    start = _begin((config, worlds), jax.random.key(config.seed))
    carried = Carried(start, Moments.begin(actor.features.size), Moments.begin(1), jnp.zeros(()), jnp.zeros(()))
    optimiser = _optimiser(config, jnp.zeros((), jnp.int32)).init(parameters(learned))
    return fresh(learned, optimiser, config.seed + 1, carried)


@filter_jit(donate="all-except-first")
def update(given: tuple[Given, int], state: TrainState) -> tuple[TrainState, Metrics]:
    """One chunk of updates as one program; ``given`` ends with the number of updates."""
    setting, count = given
    state, metrics = jax.lax.scan(lambda held, _: one_update(setting, held), state, length=count)
    return state, jax.tree.map(jnp.mean, metrics)


def one_update(given: Given, state: TrainState) -> tuple[TrainState, Metrics]:
    """Let the worlds run on, then learn from what happened. Statistics stand still while the policy acts and learns."""
    config = given.config
    key, world_key, run_key, learn_key = jax.random.split(state.key, 4)
    env, carried = given.worlds.draw(world_key), state.extra
    worlds, piece = _act(config, env, state.learned.actor, carried.worlds, run_key)
    returns = carried.returns.merge(piece.discounted.reshape(-1, 1))
    batch = _judge(config, state.learned, piece, returns.std[0])
    learned, optimiser, metrics = _learn(config, state, batch, learn_key)
    seen = carried.seen.merge(_raw(learned.actor.features, batch.observation))
    latest, episodes = _finished(carried, piece)
    following = TrainState(
        _normalising(learned, seen),
        optimiser,
        key,
        state.cursor + 1,
        Carried(worlds, seen, returns, latest, episodes),
    )
    return following, metrics | {"scale": returns.std[0], "explained": _explained(batch)}


def train_ppo(
    config: PPOConfig,
    actor: Actor,
    critic: Critic,
    worlds: Worlds,
    *,
    progress: Progress = silent,
    checkpoints: Checkpoints | None = None,
    stage: str = "ppo",
    visit: Callable[[TrainState], None] | None = None,
) -> TrainState:
    """Train for ``config.updates``; the actor is ``state.learned.actor``. Resumes from what ``checkpoints`` holds.

    ``worlds`` gives the world of each update (`Fixed`, or `Hypotheses` of a learned one). ``stage`` is the name of the
    reports. ``visit`` is given the state after each chunk: to test the actor on the way.
    """
    state = init(config, actor, critic, worlds)
    state = (checkpoints.restore(state) if checkpoints else None) or state
    clock = Clock(stage, config.updates, progress)
    done = int(state.cursor)
    while done < config.updates:
        count = min(config.chunk, config.updates - done)
        state, metrics = update((Given(config, worlds), count), state)
        done = int(state.cursor)
        if checkpoints:
            checkpoints.save(state, done)
        told = {name: float(value) for name, value in metrics.items()} | {"samples": float(done * config.piece)}
        if float(state.extra.episodes) > 0:
            told["return"] = float(state.extra.latest)
        clock.report(done, told)
        if visit:
            visit(state)
    return state


@filter_jit
def _begin(given: tuple[PPOConfig, Worlds], key: PRNGKeyArray) -> Persistent:
    config, worlds = given
    draw_key, begin_key = jax.random.split(key)
    return begin(worlds.draw(draw_key), config.worlds, config.episode, begin_key)


def _act(config: PPOConfig, env: Env, actor: Actor, worlds: Persistent, key: PRNGKeyArray) -> tuple[Persistent, Piece]:
    def one(world: Persistent, key: PRNGKeyArray) -> tuple[Persistent, Piece]:
        return run_on(
            env, actor, world, length=config.length, episode=config.episode, discount=config.discount, key=key
        )

    return jax.vmap(one)(worlds, jax.random.split(key, config.worlds))


def _judge(config: PPOConfig, learned: Learned, piece: Piece, scale: Float[Array, ""]) -> Batch:
    """The steps of all worlds in one row, with advantages and targets in units of scaled reward."""
    critic = jax.vmap(jax.vmap(learned.critic))
    value, value_after = critic(piece.before), critic(piece.after)
    advantage = jax.vmap(lambda p, r, v, a: advantages(p, r, v, a, config.discount, config.trace))(
        piece, piece.reward / scale, value, value_after
    )
    log_density = jax.vmap(jax.vmap(lambda o, a: learned.actor.distribution(o).log_density(a)))(
        piece.before, piece.action
    )
    batch = Batch(*_rows((piece.before, piece.action, log_density, advantage, value, advantage + value)))
    return jax.lax.stop_gradient(batch)


def _rows(tree: tuple) -> tuple:
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), tree)


def _learn(config: PPOConfig, state: TrainState, batch: Batch, key: PRNGKeyArray) -> tuple[Learned, object, Metrics]:
    """Some epochs over the batch in minibatches, until the policy has moved too far from the one that acted."""
    optimiser = _optimiser(config, state.cursor)

    def learn(held: tuple, given: tuple[Array, PRNGKeyArray]) -> tuple:
        learned, inner, _ = held
        rows, key = given
        part = jax.tree.map(lambda a: a[rows], batch)
        (_, metrics), gradient = _value_and_gradient(learned, config, part, key)
        moved, inner_after, norm = descend(optimiser, learned, gradient, inner)
        far = metrics["divergence"] > config.divergence
        held = jax.tree.map(lambda old, new: jnp.where(far, old, new), (learned, inner), (moved, inner_after))
        counted = metrics | {"gradient_norm": norm, "used": jnp.ones(())}
        return (*held, far), {name: jnp.where(far, 0.0, value) for name, value in counted.items()}

    def body(held: tuple, given: tuple[Array, PRNGKeyArray]) -> tuple:
        blank = {name: jnp.zeros(()) for name in _METRICS}
        return jax.lax.cond(held[2], lambda held, _: (held, blank), learn, held, given)

    order_key, loss_key = jax.random.split(key)
    orders = jax.vmap(lambda k: jax.random.permutation(k, config.piece))(jax.random.split(order_key, config.epochs))
    steps = config.epochs * config.minibatches
    given = (orders.reshape(steps, -1), jax.random.split(loss_key, steps))
    (learned, inner, _), metrics = jax.lax.scan(body, (state.learned, state.optimiser, jnp.zeros((), bool)), given)
    taken = jnp.sum(metrics["used"])
    means = {name: jnp.sum(value) / taken for name, value in metrics.items()}
    return learned, inner, means | {"used": taken / steps, "rate": _rate(config, state.cursor)}


_METRICS = ("policy_loss", "value_loss", "entropy", "divergence", "clipped", "gradient_norm", "used")


def loss(learned: Learned, config: PPOConfig, batch: Batch, key: PRNGKeyArray) -> tuple[Float[Array, ""], Metrics]:
    """The loss of one minibatch: clipped objective, clipped value error, and entropy (arXiv 1707.06347, equation 9)."""
    distribution = jax.vmap(learned.actor.distribution)(batch.observation)
    log_ratio = jax.vmap(lambda d, a: d.log_density(a))(distribution, batch.action) - batch.log_density
    ratio = jnp.exp(log_ratio)
    advantage = (batch.advantage - jnp.mean(batch.advantage)) / (jnp.std(batch.advantage) + 1e-8)
    within = jnp.clip(ratio, 1 - config.clip, 1 + config.clip)
    policy_loss = -jnp.mean(jnp.minimum(ratio * advantage, within * advantage))
    value = jax.vmap(learned.critic)(batch.observation)
    near = batch.value + jnp.clip(value - batch.value, -config.value_clip, config.value_clip)
    value_loss = 0.5 * jnp.mean(jnp.maximum((value - batch.wanted) ** 2, (near - batch.wanted) ** 2))
    keys = jax.random.split(key, ratio.shape[0])
    entropy = -jnp.mean(jax.vmap(lambda d, k: d.sample(k)[1])(distribution, keys))
    total = policy_loss + config.value_weight * value_loss - config.entropy * entropy
    return total, {
        "policy_loss": policy_loss,
        "value_loss": value_loss,
        "entropy": entropy,
        # The estimate of KL that is never negative: http://joschu.net/blog/kl-approx.html (k3).
        "divergence": jnp.mean(ratio - 1 - log_ratio),
        "clipped": jnp.mean(jnp.abs(ratio - 1) > config.clip),
    }


_value_and_gradient = filter_value_and_grad(loss, has_aux=True)


def _raw(features: Features, observation: Observation) -> Float[Array, "N n"]:
    """The features of observations ``[N, ...]`` as they are before normalisation."""
    bare = tree_at(lambda f: f.normaliser, features, Normaliser.identity(features.size))
    return jax.vmap(bare)(observation)


def _normalising(learned: Learned, seen: Moments) -> Learned:
    """Actor and critic with these statistics of what is seen."""
    normaliser = Normaliser(seen.mean, seen.std)
    return tree_at(
        lambda m: (m.actor.features.normaliser, m.critic.features.normaliser), learned, (normaliser, normaliser)
    )


def _finished(carried: Carried, piece: Piece) -> tuple[Array, Array]:
    """The mean return of the whole episodes that finished last, and how many have finished by now."""
    count = jnp.sum(piece.counted)
    mean = jnp.sum(jnp.where(piece.counted, piece.returned, 0.0)) / jnp.maximum(count, 1)
    return jnp.where(count > 0, mean, carried.latest), carried.episodes + count


def _explained(batch: Batch) -> Float[Array, ""]:
    return 1 - jnp.var(batch.wanted - batch.value) / jnp.maximum(jnp.var(batch.wanted), 1e-8)


def _rate(config: PPOConfig, cursor: Int[Array, ""]) -> Float[Array, ""]:
    return config.rate * (1 - cursor / config.updates)


def _optimiser(config: PPOConfig, cursor: Int[Array, ""]) -> optax.GradientTransformation:
    # The rate belongs to the update and not to the step of Adam: an update that stops early must not slow the fall.
    return adam(lambda _: _rate(config, cursor), config.gradient_norm)
