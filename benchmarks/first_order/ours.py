"""Our side: `diorama.learn.first_order.update` with networks of the peers' shapes, in the project's environment."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from turns import Job, serve
from work import (
    ACTION,
    BATCHES,
    CLIP,
    DISCOUNT,
    DMO_ACTOR,
    DMO_CRITIC,
    EFFORT,
    ENCODER,
    HORIZON,
    LATENT,
    PWM_ACTOR,
    PWM_CRITIC,
    PWM_CRITICS,
    RATE,
    STATE,
    SURROGATE,
    TRACE,
    UNITS,
    plant,
    starts,
)

from diorama.core import ArraySpec, Env, EnvSpec, Module, Prediction, WorldModel, field, tree_at
from diorama.imagine import Decoupled, Through
from diorama.learn import first_order
from diorama.learn.config import FirstOrderConfig
from diorama.learn.worlds import Fixed
from diorama.nn.mlp import MLP, Linear, layer_norm
from diorama.nn.normed_mlp import linear
from diorama.policies.actor import Actor, Critic
from diorama.policies.config import ActorConfig

FORCE = ArraySpec((ACTION,), "", -1.0, 1.0)
PLANT = EnvSpec("plant", {"state": ArraySpec((STATE,))}, FORCE, 0.2)
DREAM = EnvSpec("dream", {"latent": ArraySpec((LATENT,))}, FORCE, 0.2)


def simplices(x: Array) -> Array:
    """SimNorm: a softmax in groups of 8 (arXiv 2204.00616)."""
    return jax.nn.softmax(x.reshape(-1, 8), axis=-1).reshape(-1)


def mish(x: Array) -> Array:
    """The activation of PWM's world model."""
    return jax.nn.mish(layer_norm(x))


def cost(observation: dict[str, Array], action: Array, following: dict[str, Array]) -> Array:
    """The plant's reward: minus mean squared state and effort."""
    return -jnp.mean(following["state"] ** 2) - EFFORT * jnp.sum(action**2)


class Plant(Env):
    """The forward world of the DMO rows; it is never differentiated."""

    drift: Array
    push: Array
    bank: Array
    spec: EnvSpec = field(static=True, default=PLANT)

    def reset(self, scenario: dict[str, Any], key: Array) -> Array:
        """One of the first states."""
        return self.bank[jax.random.randint(key, (), 0, len(self.bank))]

    def step(self, state: Array, action: Array, key: Array) -> Array:
        """``A s + B a``."""
        return self.drift @ state + self.push @ action

    def observe(self, state: Array) -> dict[str, Array]:
        """The state."""
        return {"state": state}

    def reward(self, state: Array, action: Array, next_state: Array) -> Array:
        """See `cost`."""
        return cost({"state": state}, action, {"state": next_state})

    def terminal(self, state: Array) -> Array:
        """Never."""
        return jnp.zeros((), bool)


class Surrogate(WorldModel):
    """DMO's surrogate without its GRU: linear, SimNorm, norm, linear, SiLU, norm, linear; residual and log-variance."""

    layers: tuple[Linear, ...]
    spec: EnvSpec = field(static=True, default=PLANT)

    def start(self, observation: dict[str, Array], key: Array) -> Array:
        """The state."""
        return observation["state"]

    def step(self, belief: Array, action: Array, key: Array) -> Array:
        """The mean of the next state."""
        first, second, last = self.layers
        hidden = layer_norm(simplices(first(jnp.concatenate([belief, action]))))
        return belief + last(layer_norm(jax.nn.silu(second(hidden))))[:STATE]

    def update(self, belief: Array, action: Array, observation: dict[str, Array], key: Array) -> Array:
        """The state."""
        return observation["state"]

    def infer(self, window: Any, key: Array) -> Array:
        """The last state."""
        return window.observation["state"][-1]

    def read(self, belief: Array) -> Prediction:
        """The state; reward and end are the world's."""
        return Prediction({"state": belief}, jnp.zeros(()), jnp.zeros(()), jnp.zeros(()))

    def loss(self, window: Any, key: Array) -> tuple[Array, dict[str, Array]]:
        """It is not trained here."""
        return jnp.zeros(()), {}


class Dream(Env):
    """PWM's world: a latent state in simplices, its dynamics and its reward, both of which are differentiated."""

    encoder: tuple[Linear, ...]
    dynamics: tuple[Linear, ...]
    rewarding: tuple[Linear, ...]
    bank: Array
    spec: EnvSpec = field(static=True, default=DREAM)

    def reset(self, scenario: dict[str, Any], key: Array) -> tuple[Array, Array]:
        """The encoding of one of the first states."""
        first, last = self.encoder
        seen = self.bank[jax.random.randint(key, (), 0, len(self.bank))]
        return simplices(layer_norm(last(mish(first(seen))))), jnp.zeros(())

    def step(self, state: tuple[Array, Array], action: Array, key: Array) -> tuple[Array, Array]:
        """The next latent state, and the reward of going there."""
        joined = jnp.concatenate([state[0], action])
        first, second, last = self.dynamics
        latent = simplices(layer_norm(last(mish(second(mish(first(joined)))))))
        first, second, last = self.rewarding
        return latent, last(mish(second(mish(first(joined)))))[0]

    def observe(self, state: tuple[Array, Array]) -> dict[str, Array]:
        """The latent state."""
        return {"latent": state[0]}

    def reward(self, state: tuple[Array, Array], action: Array, next_state: tuple[Array, Array]) -> Array:
        """The reward that came with the step."""
        return next_state[1]

    def terminal(self, state: tuple[Array, Array]) -> Array:
        """Never."""
        return jnp.zeros((), bool)


def stack(*sizes: int) -> tuple[Linear, ...]:
    """Linear layers with these sizes."""
    rng = np.random.default_rng(0)
    return tuple(linear(rng, i, o) for i, o in zip(sizes[:-1], sizes[1:], strict=True))


def world(like: str, worlds: int) -> tuple[Env, Any]:
    """The world and the way to differentiate it."""
    bank = jnp.asarray(starts(worlds))
    if like == "dmo":
        inputs = STATE + ACTION
        local = Surrogate(stack(inputs, SURROGATE, SURROGATE, 2 * STATE))
        return Plant(*(jnp.asarray(m) for m in plant()), bank), Decoupled(local, cost)
    step = LATENT + ACTION
    networks = stack(STATE, ENCODER, LATENT), stack(step, *UNITS, LATENT), stack(step, *UNITS, 1)
    return Dream(*networks, bank), Through()


def make(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """One update: the actor alone (no critic lies beyond the horizon), or the actor and then the critics."""
    like = asked["like"]
    env, gradient = world(like, asked["worlds"])
    hidden, value, count = (DMO_ACTOR, DMO_CRITIC, 1) if like == "dmo" else (PWM_ACTOR, PWM_CRITIC, PWM_CRITICS)
    rng, size = np.random.default_rng(0), sum(spec.size for spec in env.spec.observation.values())
    actor = Actor.build(ActorConfig("nano"), env.spec, 0)
    network = MLP.build(rng, (size, *hidden, 2 * ACTION), between=layer_norm, last_gain=0.1)
    actor = tree_at(lambda a: a.network, actor, network)
    critics = []
    for k in range(count if asked["part"] == "actor and critic" else 0):
        network = MLP.build(rng, (size, *value, 1), between=layer_norm, last_gain=0.1)
        critics.append(tree_at(lambda c: c.network, Critic.build(ActorConfig("nano"), env.spec, k), network))
    config = FirstOrderConfig(
        worlds=asked["worlds"],
        horizon=HORIZON,
        discount=DISCOUNT,
        trace=TRACE,
        critic_steps=BATCHES,
        gradient_norm=CLIP,
        actor_rate=RATE,
        critic_rate=RATE,
        entropy=0.0,
    )
    worlds = Fixed(env)
    held = [first_order.init(config, actor, tuple(critics), worlds, gradient)]
    given = first_order.Given(config, worlds, gradient), 1

    def job() -> None:
        held[0], metrics = first_order.update(given, held[0])
        jax.block_until_ready(metrics)

    return job, {"parameters": parameters([actor.network, *(critic.network for critic in critics)])}


def parameters(modules: list[Module]) -> int:
    """The number of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(modules) if hasattr(leaf, "size"))


if __name__ == "__main__":
    serve(make)
