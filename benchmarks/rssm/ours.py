"""Our side: `diorama.learn.fitting` for the update, `RSSM.step` for imagination. Runs in the project's environment."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from turns import Job, serve
from work import ACTION, BATCH, CLIP, HORIZON, RATE, SIDE, STATE, TIME, data

from diorama.core import ArraySpec, EnvSpec, Window, filter_jit
from diorama.learn import FitConfig, fitting
from diorama.learn.state import parameters
from diorama.models.rssm import RSSM, RSSMConfig
from diorama.nn.normed_mlp import NormedMLP

PICTURE = ArraySpec((SIDE, SIDE, 3), low=0.0, high=255.0, dtype="uint8")


def build(asked: dict[str, Any]) -> RSSM:
    """An untrained model of the size in question."""
    seen = {"image": PICTURE} if asked["camera"] else {"vector": ArraySpec((STATE,))}
    return RSSM.build(RSSMConfig(asked["size"]), EnvSpec("walker", seen, ArraySpec((ACTION,), "", -1.0, 1.0), 0.02), 0)


def update(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """One update of the world model: loss, gradient, clipping, AdamW."""
    batch, model = data(asked["camera"]), build(asked)
    seen = {name: jnp.asarray(batch[name])[None] for name in model.spec.observation}
    # A window's first observation has no action before it; the batch's first action is ignored on every side.
    action, reward = (jnp.asarray(batch[name])[None, :, 1:] for name in ("action", "reward"))
    flags = jnp.zeros((1, BATCH, TIME - 1), bool)
    given = FitConfig(learning_rate=RATE, gradient_norm=CLIP), Window(seen, action, reward, flags, ~flags)
    held = [fitting.init(given[0], model)]

    def job() -> None:
        held[0], metrics = fitting.update(given, held[0])
        jax.block_until_ready(metrics)

    return job, {"parameters": count(model)}


def imagine(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """Imagination from every state of a batch, an actor choosing each action from the latent features."""
    model, starts = build(asked), BATCH * TIME
    units, features = model.config.widths.units, model.config.features
    actor = NormedMLP.build(np.random.default_rng(0), (features, units, units, units, 2 * ACTION), 0.01)

    def act(belief: Any, key: jax.Array) -> jax.Array:
        mean, spread = jnp.split(actor(belief.features), 2)
        return jnp.tanh(mean) + (0.1 + 0.9 * jax.nn.sigmoid(spread + 2.0)) * jax.random.normal(key, (ACTION,))

    @filter_jit
    def run(model: RSSM, beliefs: Any, key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        def body(beliefs: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            choose, move = jax.random.split(key)
            actions = jax.vmap(act)(beliefs, jax.random.split(choose, starts))
            following = jax.vmap(model.step)(beliefs, actions, jax.random.split(move, starts))
            return following, jax.vmap(lambda belief: belief.features)(following)

        _, seen = jax.lax.scan(body, beliefs, jax.random.split(key, HORIZON))
        each = jax.vmap(jax.vmap(lambda f: (model.heads.reward(f), model.heads.end(f))))
        return seen, *each(seen)

    beliefs = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], starts, axis=0), model.core.empty())
    key = jax.random.key(0)

    def job() -> None:
        jax.block_until_ready(run(model, beliefs, key))

    return job, {"parameters": count(model)}


def count(model: Any) -> int:
    """The number of trained parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(parameters(model)))


if __name__ == "__main__":
    serve(lambda asked: {"update": update, "imagine": imagine}[asked["job"]](asked))
