"""Robust nonlinear least squares with exact Jacobians: few unknowns, many residuals, a prior on each unknown.

Levenberg (1944) and Marquardt (1963), with the diagonal scaling of the latter. Residuals are weighted by the
pseudo-Huber loss (Charbonnier et al. 1997), so that few bad recordings do not decide, and those whose slopes are far
larger than most, as in a chaotic recording, are trusted less in the step that follows (bounded leverage).

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
_TRIES = 7
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
    even = jnp.ones(())
    loss = problem.loss(now, programs[1], even)
    for iteration in range(config.iterations):
        step, trust = problem.stepper(now, programs[0])
        following, gained, damping = _descend(problem, now, (step, trust), programs[1], damping)
        now, loss = following, problem.loss(following, programs[1], even)
        clock.report(iteration + 1, {"loss": loss, "damping": damping})
        if gained < config.tolerance * loss:
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

    def loss(self, numbers: np.ndarray, robust: Callable, trust: Array) -> float:
        """Robust residuals, each as far as it is trusted, plus prior."""
        prior = 0.5 * float(np.sum(((numbers - self.centre) / self.wide) ** 2))
        return float(robust(jnp.asarray(numbers, self.kind), self.data, trust)) + prior / self.config.evidence

    def stepper(self, now: np.ndarray, normal: Callable) -> tuple[Callable[[float], np.ndarray], Array]:
        """The step from ``now`` as a function of damping, and how far each residual is trusted there."""
        *parts, trust = normal(jnp.asarray(now, self.kind), self.data)
        matrix, vector = (np.asarray(part, np.float64) for part in parts)
        matrix = matrix + np.diag(1.0 / self.wide**2) / self.config.evidence
        vector = vector + (now - self.centre) / self.wide**2 / self.config.evidence

        def step(damping: float) -> np.ndarray:
            damped = matrix + damping * np.diag(np.diag(matrix))
            return np.clip(-np.linalg.solve(damped, vector), -_LARGEST * self.wide, _LARGEST * self.wide)

        return step, trust


def _programs(
    config: LeastSquaresConfig, residual: Callable, unravel: Callable, wide: Array
) -> tuple[Callable, Callable]:
    """Compiled, of a flat vector: the normal equations with the trust in each residual, and the trusted robust mean."""

    def flat(numbers: Array, data: Any) -> tuple[Array, Array]:
        value = jnp.ravel(residual(unravel(numbers), data))
        return value, value

    def normal(numbers: Array, data: Any) -> tuple[Array, Array, Array]:
        slopes, value = jax.jacfwd(flat, has_aux=True)(numbers, data)
        leverage = jnp.sum((slopes * wide[None, :]) ** 2, 1)
        trust = 1.0 / (1.0 + leverage / (_LEVERAGE * jnp.median(leverage) + 1e-12))
        weighted = slopes.T * (trust / jnp.sqrt(1.0 + (value / config.outlier) ** 2))[None, :]
        return weighted @ slopes / value.size, weighted @ value / value.size, trust

    def robust(numbers: Array, data: Any, trust: Array) -> Array:
        share = flat(numbers, data)[0] / config.outlier
        return config.outlier**2 * jnp.mean(trust * (jnp.sqrt(1.0 + share**2) - 1.0))

    return jax.jit(normal), jax.jit(robust)


def _descend(
    problem: _Problem,
    now: np.ndarray,
    model: tuple[Callable[[float], np.ndarray], Array],
    robust: Callable,
    damping: float,
) -> tuple[np.ndarray, float, float]:
    """The next point, what it gained, and the damping to begin the next step with; the same point where none helps."""
    step, trust = model
    loss = problem.loss(now, robust, trust)
    for _ in range(_TRIES):
        following = now + step(damping)
        lower = problem.loss(following, robust, trust)
        if np.isfinite(lower) and lower < loss:
            return following, loss - lower, max(damping / 10.0, 1e-6)
        damping *= 10.0
    return now, 0.0, damping
