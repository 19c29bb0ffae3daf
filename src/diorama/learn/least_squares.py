"""Robust nonlinear least squares with exact Jacobians: few unknowns, many residuals, a prior on each unknown.

Levenberg (1944) and Marquardt (1963), with the diagonal scaling of the latter. Residuals are weighted by the
pseudo-Huber loss (Charbonnier et al. 1997), so that few bad recordings do not decide, and those whose slopes are far
larger than most, as in a chaotic recording, count less for the direction of a step (bounded leverage).

Logged: ``loss`` (robust residuals plus prior) and ``damping``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from diorama.learn.least_squares_config import LeastSquaresConfig
from diorama.learn.progress import Clock, Progress, silent

Tree = TypeVar("Tree")
_TRIES = 6
_LARGEST = 1.5
_LEVERAGE = 100.0


def minimise(
    config: LeastSquaresConfig,
    residual: Callable[[Tree, Any], Float[Array, "..."]],
    start: Tree,
    spread: Tree,
    data: Any = None,
    *,
    centre: Tree | None = None,
    progress: Progress = silent,
    stage: str = "least squares",
) -> Tree:
    """The pytree with the lowest loss on the way from ``start``; ``residual`` takes it and ``data``.

    ``centre``: of the prior; the start where None is given.
    ``spread``: the prior's standard deviation for each number of ``start`` (or for all of a leaf); a step changes none
    by more than one and a half of it. A step that makes the loss larger, or not finite, is not taken.
    """
    begin, unravel = ravel_pytree(start)
    middle = begin if centre is None else ravel_pytree(centre)[0]
    wide = ravel_pytree(jax.tree.map(lambda leaf, width: jnp.broadcast_to(width, leaf.shape), start, spread))[0]
    problem = _Problem(config, np.asarray(middle, np.float64), np.asarray(wide, np.float64), data, begin.dtype)
    programs = _programs(config, residual, unravel, wide)
    clock, damping = Clock(stage, config.iterations, progress), config.damping
    now = np.asarray(begin, np.float64)
    loss = problem.loss(now, programs[1])
    for iteration in range(config.iterations):
        step = problem.stepper(now, programs[0])
        following, lower, damping = _descend(problem, now, loss, step, programs[1], damping)
        gained, now, loss = loss - lower, following, lower
        clock.report(iteration + 1, {"loss": loss, "damping": damping})
        if gained < config.tolerance * (loss + gained):
            break
    return unravel(jnp.asarray(now, begin.dtype))


@dataclass(frozen=True)
class _Problem:
    """The prior, the data, and the precision in which residuals are computed."""

    config: LeastSquaresConfig
    centre: np.ndarray
    wide: np.ndarray
    data: Any
    kind: Any

    def loss(self, numbers: np.ndarray, robust: Callable) -> float:
        """Robust residuals plus prior."""
        prior = 0.5 * float(np.sum(((numbers - self.centre) / self.wide) ** 2))
        return float(robust(jnp.asarray(numbers, self.kind), self.data)) + prior / self.config.evidence

    def stepper(self, now: np.ndarray, normal: Callable) -> Callable[[float], np.ndarray]:
        """The step from ``now`` as a function of damping."""
        parts = normal(jnp.asarray(now, self.kind), self.data)
        matrix, vector = (np.asarray(part, np.float64) for part in parts)
        matrix = matrix + np.diag(1.0 / self.wide**2) / self.config.evidence
        vector = vector + (now - self.centre) / self.wide**2 / self.config.evidence

        def step(damping: float) -> np.ndarray:
            damped = matrix + damping * np.diag(np.diag(matrix))
            return np.clip(-np.linalg.solve(damped, vector), -_LARGEST * self.wide, _LARGEST * self.wide)

        return step


def _programs(
    config: LeastSquaresConfig, residual: Callable, unravel: Callable, wide: Array
) -> tuple[Callable, Callable]:
    """Compiled: the normal equations (matrix and vector) and the robust mean of the residuals, of a flat vector."""

    def flat(numbers: Array, data: Any) -> tuple[Array, Array]:
        value = jnp.ravel(residual(unravel(numbers), data))
        return value, value

    def normal(numbers: Array, data: Any) -> tuple[Array, Array]:
        slopes, value = jax.jacfwd(flat, has_aux=True)(numbers, data)
        leverage = jnp.sum((slopes * wide[None, :]) ** 2, 1)
        bounded = 1.0 + leverage / (_LEVERAGE * jnp.median(leverage) + 1e-12)
        weighted = slopes.T / (bounded * jnp.sqrt(1.0 + (value / config.outlier) ** 2))[None, :]
        return weighted @ slopes / value.size, weighted @ value / value.size

    def robust(numbers: Array, data: Any) -> Array:
        share = flat(numbers, data)[0] / config.outlier
        return config.outlier**2 * jnp.mean(jnp.sqrt(1.0 + share**2) - 1.0)

    return jax.jit(normal), jax.jit(robust)


def _descend(
    problem: _Problem,
    now: np.ndarray,
    loss: float,
    step: Callable[[float], np.ndarray],
    robust: Callable,
    damping: float,
) -> tuple[np.ndarray, float, float]:
    """The next point, its loss, and the damping to begin the next step with; the same point where no step helps."""
    for _ in range(_TRIES):
        following = now + step(damping)
        lower = problem.loss(following, robust)
        if np.isfinite(lower) and lower < loss:
            return following, lower, max(damping / 5.0, 1e-6)
        damping *= 5.0
    return now, loss, damping
