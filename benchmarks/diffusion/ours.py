"""Our side: `Diffusion.draw` and the gradient of its denoising error. Runs in the project's environment."""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from turns import Job, serve
from work import ACTION, CHOICES, CHUNK, CONTEXT, RATE, STATE, STEPS, of

from diorama.core import ArraySpec, EnvSpec, Window, filter_jit
from diorama.core.module import combine, is_inexact_array, partition
from diorama.models.diffusion import Diffusion, DiffusionConfig

NETWORK = sys.argv[1]
"""``plain``, or ``rounded`` for weights in bfloat16 where a draw can use them."""


def build(asked: dict[str, Any]) -> Diffusion:
    """An untrained model of the size in question."""
    side = asked["side"]
    picture = ArraySpec((side, side, 3), low=0.0, high=255.0, dtype="uint8")
    action = ArraySpec((CHOICES if side else ACTION,), low=-1.0, high=1.0)
    spec = EnvSpec("bench", {"seen": picture if side else ArraySpec((STATE,))}, action, 0.1)
    model = Diffusion.build(DiffusionConfig(asked["size"], asked["network"], context=CONTEXT, steps=STEPS), spec, 0)
    return model.rounded() if NETWORK == "rounded" else model


def sample(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """A batch of draws, from K observations and actions to the next observation."""
    model, given = build(asked), of(asked)

    @filter_jit
    def run(model: Diffusion, seen: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
        def one(seen: jax.Array, action: jax.Array, key: jax.Array) -> jax.Array:
            flats = model.target.flatten({"seen": seen})
            context = model.target.context(flats, action, jnp.ones(CONTEXT))
            return model.target.decode(flats[-1], model.draw(context, key))

        return jax.vmap(one)(seen, action, jax.random.split(key, len(seen)))

    seen, action, key = jnp.asarray(given["seen"][:, :-1]), jnp.asarray(given["action"]), jax.random.key(0)

    def job() -> None:
        jax.block_until_ready(run(model, seen, action, key))

    return job, {"parameters": count(model)}


def train(asked: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
    """Some updates: denoising error of one step, gradient, AdamW."""
    model, given, optimiser = build(asked), of(asked), optax.adamw(RATE)
    window = windows(given)
    held = [model, optimiser.init(partition(model.denoiser, is_inexact_array)[0]), jax.random.key(0)]

    @filter_jit(donate="all-except-first")
    def run(window: Window, held: list[Any]) -> list[Any]:
        def loss(denoiser: Any, model: Diffusion, key: jax.Array) -> jax.Array:
            whole = Diffusion(**{**vars(model), "denoiser": denoiser})
            keys = jax.random.split(key, len(window.reward))
            return jnp.mean(jax.vmap(lambda w, k: whole.loss(w, k)[1]["denoising"])(window, keys))

        parameters, rest = partition(held[0], is_inexact_array)

        def body(carried: tuple, key: jax.Array) -> tuple[tuple, jax.Array]:
            model, state = combine(carried[0], rest), carried[1]
            value, gradient = jax.value_and_grad(loss)(model.denoiser, model, key)
            change, state = optimiser.update(gradient, state, model.denoiser)
            moved = Diffusion(**{**vars(model), "denoiser": optax.apply_updates(model.denoiser, change)})
            return (partition(moved, is_inexact_array)[0], state), value

        key, use = jax.random.split(held[2])
        (parameters, state), _ = jax.lax.scan(body, (parameters, held[1]), jax.random.split(use, CHUNK))
        return [combine(parameters, rest), state, key]

    def job() -> None:
        held[:] = jax.block_until_ready(run(window, held))

    return job, {"parameters": count(model)}


def windows(given: dict[str, np.ndarray]) -> Window:
    """The last step of each context: what a loss sees of the past is the same work, whether it happened or not."""
    seen = {"seen": jnp.asarray(given["seen"][:, -2:])}
    action, count = jnp.asarray(given["action"][:, -1:]), len(given["action"])
    flags = jnp.zeros((count, 1), bool)
    return Window(seen, action, jnp.zeros((count, 1)), flags, ~flags)


def count(model: Diffusion) -> int:
    """The number of parameters of the denoiser."""
    return sum(leaf.size for leaf in jax.tree.leaves(partition(model.denoiser, is_inexact_array)[0]))


if __name__ == "__main__":
    serve(lambda asked: {"sample": sample, "train": train}[asked["job"]](asked))
