"""`Objective`: what a trajectory is worth. Objectives add up and scale: ``DiscountedReturn(0.99) + 0.1 * Effort()``."""

import abc

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core.module import Module, field
from diorama.core.trajectory import Trajectory


class Objective(Module):
    """A score of one trajectory, larger is better."""

    @abc.abstractmethod
    def __call__(self, trajectory: Trajectory) -> Float[Array, ""]:
        """The score."""

    def __add__(self, other: "Objective") -> "WeightedSum":
        return WeightedSum((self, other), (1.0, 1.0))

    def __rmul__(self, weight: float | int) -> "WeightedSum":
        return WeightedSum((self,), (float(weight),))


class WeightedSum(Objective):
    """The sum of objectives, each times its weight."""

    objectives: tuple[Objective, ...]
    weights: tuple[float, ...] = field(static=True)

    def __call__(self, trajectory: Trajectory) -> Float[Array, ""]:
        """The weighted sum of the scores."""
        scores = [w * objective(trajectory) for w, objective in zip(self.weights, self.objectives, strict=True)]
        return jnp.sum(jnp.stack(scores))


class DiscountedReturn(Objective):
    """``sum_t discount^t reward[t]`` over the steps that happened, in the unit of the reward."""

    discount: float = field(static=True, default=1.0)

    def __call__(self, trajectory: Trajectory) -> Float[Array, ""]:
        """The discounted sum of rewards."""
        weights = self.discount ** jnp.arange(trajectory.length)
        return jnp.sum(weights * trajectory.reward * trajectory.mask)


class Effort(Objective):
    """Minus the sum over the steps that happened of the squared norm of the action, in its unit squared."""

    def __call__(self, trajectory: Trajectory) -> Float[Array, ""]:
        """Minus the summed squared action."""
        return -jnp.sum(jnp.sum(trajectory.action**2, axis=-1) * trajectory.mask)
