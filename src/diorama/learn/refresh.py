"""The local model learns on from what the global world just showed under the present policy.

Source: arXiv 2602.06219 (the local model is pre-trained on the data and then refreshed on the policy's own rollouts);
DMO (arXiv 2509.00215) fits its surrogate in every epoch.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from diorama.core import Metrics, Trajectory, Window, WorldModel, filter_value_and_grad, tree_at
from diorama.learn.config import FirstOrderConfig
from diorama.learn.fitting import batch_loss
from diorama.learn.state import adam, descend


def refresh(
    config: FirstOrderConfig,
    local: WorldModel | None,
    held: Any,
    path: Trajectory,
    key: PRNGKeyArray,
    *,
    rewards: bool = True,
) -> tuple[WorldModel | None, Any, Metrics]:
    """``config.refresh`` steps of gradient on windows drawn from trajectories ``[B, T]``; as it was without a model.

    ``rewards``: whether the model learns the rewards of these trajectories too. Where they are not what its head was
    fitted to, they would pull at the layers that the head shares with the dynamics; then it keeps to what it says.
    """
    if local is None:
        return local, held, {}
    windows = cut(path, config.refresh_window)
    if not rewards:
        windows = tree_at(lambda w: w.reward, windows, jax.vmap(lambda w: _said(local, w, key))(windows))
    count = windows.reward.shape[0]

    def body(state: tuple, key: PRNGKeyArray) -> tuple:
        model, held = state
        pick_key, loss_key = jax.random.split(key)
        index = jax.random.randint(pick_key, (min(config.refresh_batch, count),), 0, count)
        batch = jax.tree.map(lambda leaf: leaf[index], windows)
        (loss, _), gradient = _value_and_gradient(model, batch, loss_key)
        model, held, _ = descend(refresh_optimiser(config), model, gradient, held)
        return (model, held), loss

    (local, held), losses = jax.lax.scan(body, (local, held), jax.random.split(key, config.refresh))
    return local, held, {"local_loss": jnp.mean(losses)}


def _said(local: WorldModel, window: Window, key: PRNGKeyArray) -> Float[Array, " T"]:
    """The rewards that the model itself says of a window, one step at a time."""

    def one(before: dict, action: Array) -> Array:
        return local.read(local.step(local.start(before, key), action, key)).reward

    before = {name: value[:-1] for name, value in window.observation.items()}
    return jax.lax.stop_gradient(jax.vmap(one)(before, window.action))


def refresh_optimiser(config: FirstOrderConfig) -> optax.GradientTransformation:
    """Adam at a constant rate, without decay."""
    return adam(config.refresh_rate, config.gradient_norm)


def cut(path: Trajectory, length: int) -> Window:
    """Trajectories ``[B, T]`` cut into windows ``[B * T / length, length]``; ``length`` divides T."""
    batch, steps = path.reward.shape
    pieces = steps // length

    def along(leaf: Array) -> Array:
        return leaf.reshape(batch * pieces, length, *leaf.shape[2:])

    def around(leaf: Array) -> Array:
        inner = along(leaf[:, :-1])
        last = leaf[:, length::length].reshape(batch * pieces, 1, *leaf.shape[2:])
        return jnp.concatenate([inner, last], axis=1)

    observation = {name: around(value) for name, value in path.observation.items()}
    return Window(observation, along(path.action), along(path.reward), along(path.end), along(path.mask))


_value_and_gradient = filter_value_and_grad(batch_loss, has_aux=True)
