"""The state of learning as one pytree, and what every learner does with it."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PRNGKeyArray

from diorama.core import Module, combine, is_array, is_inexact_array, partition

Tree = TypeVar("Tree")


class TrainState(Module):
    """Everything that learning needs to go on; saved and restored as a whole, 20 updates are 10 + 10, bit for bit.

    ``learned``: the module or modules being trained, normalisers included. ``optimiser``: the optimiser's state.
    ``key``: where randomness stands. ``cursor``: updates done, which also fixes what data comes next. ``extra``: what
    else a learner keeps (target networks, the best model so far).
    """

    learned: Any
    optimiser: Any
    key: PRNGKeyArray
    cursor: Int[Array, ""]
    extra: Any


def fresh(learned: Any, optimiser: Any, seed: int, extra: Any = None) -> TrainState:
    """A state before the first update. Arrays are copied, since updates consume (donate) the state's buffers."""
    return TrainState(copied(learned), copied(optimiser), jax.random.key(seed), jnp.zeros((), jnp.int32), copied(extra))


def copied(tree: Tree) -> Tree:
    """The same pytree with new buffers.

    Types are strong, as those of a restored state are: the program of a weak type would be another one.
    """
    return jax.tree.map(lambda leaf: jnp.array(leaf, dtype=leaf.dtype, copy=True) if is_array(leaf) else leaf, tree)


def parameters(module: Any) -> Any:
    """The floating-point arrays of a module; everything else is None."""
    return partition(module, is_inexact_array)[0]


def descend(
    optimiser: optax.GradientTransformation, module: Tree, gradient: Any, state: Any
) -> tuple[Tree, Any, Array]:
    """One step of an optimiser: the new module, the new optimiser state, and the gradient's norm before clipping."""
    held, rest = partition(module, is_inexact_array)
    updates, state = optimiser.update(gradient, state, held)
    return combine(optax.apply_updates(held, updates), rest), state, optax.tree.norm(gradient)


def adam(rate: float | Callable[[Any], Any], gradient_norm: float, weight_decay: float = 0.0) -> Any:
    """AdamW behind clipping by the global norm; a gradient that is not finite is skipped.

    Only matrices decay: vectors are biases, scales, and the statistics of normalisers, which are data.
    """
    decay = optax.adamw(rate, weight_decay=weight_decay, mask=_matrices)
    chain = optax.chain(optax.clip_by_global_norm(gradient_norm), decay)
    return optax.apply_if_finite(chain, max_consecutive_errors=10)


def _matrices(held: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, held)


def cosine(rate: float, warmup: int, updates: int) -> Callable[[Any], Any]:
    """Linear warm-up, then a cosine to a hundredth of ``rate``."""
    warmup = min(warmup, updates // 10)
    return optax.warmup_cosine_decay_schedule(0.1 * rate, rate, max(warmup, 1), max(updates, 2), 0.01 * rate)
