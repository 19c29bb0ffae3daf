"""What models of stacked networks over one flat vector share: their belief, what a member says, and its loss.

`Ensemble` predicts the change of the observation with it, `Residual` what a physics gets wrong.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from diorama.core import Metrics, Module, Prediction, tree_at
from diorama.core.env import Observation
from diorama.nn import (
    MLP,
    Layout,
    PlanarFrame,
    from_frame,
    gaussian_negative_log_likelihood,
    normalise_heading,
    nothing,
    soft_clip,
    to_frame,
)

LOG_VARIANCE = (-10.0, 1.0)
REWARD_WEIGHT = 1.0
END_WEIGHT = 0.1
BETA = 0.5
Vector = Float[Array, " O"]
Terms = dict[str, Float[Array, ""]]


class VectorBelief(Module):
    """The flat observation in physical units, and what the step that led here said."""

    vector: Vector
    reward: Float[Array, ""]
    end: Float[Array, ""]
    spread: Float[Array, ""]

    @staticmethod
    def of(layout: Layout, observation: Observation) -> "VectorBelief":
        """The observation itself; no reward, end or spread yet."""
        zero = jnp.zeros(())
        return VectorBelief(layout.flatten(observation), zero, zero, zero)

    def seen(self, layout: Layout, observation: Observation) -> "VectorBelief":
        """What was seen replaces the prediction; reward, end and spread stay those of the step."""
        return tree_at(lambda b: b.vector, self, layout.flatten(observation))

    def read(self, layout: Layout) -> Prediction:
        """The observation, and the reward, the end and the spread of the step that led here."""
        return Prediction(layout.split(self.vector), self.reward, self.end, self.spread)


class Said(Module):
    """What a member says: a normalised change (mean and log-variance), a reward, and the logit of the end."""

    change: Vector
    log_variance: Vector
    reward: Float[Array, ""]
    end: Float[Array, ""]

    @staticmethod
    def of(output: Float[Array, " n"], size: int) -> "Said":
        """The heads of a network's output, for a change of ``size`` entries."""
        change, log_variance, heads = jnp.split(output, [size, 2 * size])
        return Said(change, soft_clip(log_variance, *LOG_VARIANCE), heads[0], heads[1])

    def terms(self, change: Vector, reward: Float[Array, ""], end: Bool[Array, ""]) -> Terms:
        """The terms of the loss against a normalised change, a normalised reward and an end."""
        return {
            "likelihood": jnp.mean(_weighted_likelihood(self.change, self.log_variance, change)),
            "squared_error": jnp.mean((self.change - change) ** 2),
            "reward": 0.5 * (self.reward - reward) ** 2,
            "end": jax.nn.softplus(self.end) - self.end * end,
        }


def stacked(
    members: int, inputs: int, hidden: tuple[int, ...], outputs: int, seed: int, *, last_gain: float = 0.1
) -> MLP:
    """Networks that differ by their initial parameters (deep ensembles, arXiv 1612.01474), as one."""
    sizes = (inputs, *hidden, 2 * outputs + 2)
    generators = np.random.default_rng(seed).spawn(members)
    return MLP.stack([MLP.build(rng, sizes, between=nothing, last_gain=last_gain) for rng in generators])


def count(networks: MLP) -> int:
    """How many networks are stacked."""
    return networks.layers[0].bias.shape[0]


def alone(networks: MLP, index: int | Int[Array, ""]) -> MLP:
    """A stack of this one network."""
    return jax.tree.map(lambda leaf: leaf[index][None], networks)


def turned(frame: PlanarFrame | None, vector: Vector, change: Vector) -> Vector:
    """A change as it is seen in the frame, where there is one."""
    return change if frame is None else to_frame(frame, vector, change)


def moved(frame: PlanarFrame | None, vector: Vector, onto: Vector, change: Vector) -> Vector:
    """``onto`` and a change that is seen in the frame of ``vector``."""
    if frame is None:
        return onto + change
    return normalise_heading(frame, onto + from_frame(frame, vector, change))


def loss_along(
    networks: MLP, one_step: Callable[[MLP, Vector, Any], tuple[Vector, Terms]], first: Vector, inputs: Any, mask: Array
) -> tuple[Float[Array, ""], Metrics]:
    """Mean over members of likelihood + reward error + end cross-entropy, along each member's own predictions."""

    def along(network: MLP) -> Terms:
        _, terms = jax.lax.scan(lambda v, x: one_step(network, v, x), first, inputs)
        return {name: jnp.sum(t * mask) / jnp.maximum(mask.sum(), 1) for name, t in terms.items()}

    metrics = {name: jnp.mean(values) for name, values in jax.vmap(along)(networks).items()}
    total = metrics["likelihood"] + REWARD_WEIGHT * metrics["reward"] + END_WEIGHT * metrics["end"]
    return total, metrics


def _weighted_likelihood(mean: Array, log_variance: Array, target: Array) -> Array:
    """The Gaussian likelihood times the detached standard deviation to the power 2 beta (beta-NLL, arXiv 2203.09168).

    The plain likelihood gives up on the rare, hard transitions (contact) by calling them noise.
    """
    weight = jax.lax.stop_gradient(jnp.exp(BETA * log_variance))
    return weight * gaussian_negative_log_likelihood(mean, log_variance, target)
