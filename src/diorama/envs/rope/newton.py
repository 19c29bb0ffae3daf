"""The least point of a smooth function near a start, by Newton's method, and its derivatives."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from diorama.core import Module, field
from diorama.envs.rope.linear import Banded, LinearSolver

SOLUTION = "the point that Newton's method found"
"""What a policy of `jax.checkpoint` may keep by name."""
_WORTH = 1e-4
"""Least share of the promised descent that a step must bring (Armijo 1966)."""
_HALVINGS = 40
_SHIFTS = 40
_FIRST_SHIFT, _SHIFT_GROWTH = 1e-3, 4.0


class Newton(Module):
    """How the matrix is solved, and after how many steps Newton's method gives up."""

    solver: LinearSolver = Banded()
    iterations: int = field(static=True, default=60)


class Found(Module):
    """The point, whether it is one where the slope is zero, and how many steps of Newton's it took.

    A step of less than the root of the rounding is the last: as errors fall by squares, the next would be rounding.
    """

    where: Float[Array, " N"]
    arrived: Bool[Array, ""]
    iterations: Int[Array, ""]


class _Search(Module):
    where: Float[Array, " N"]
    arrived: Bool[Array, ""]
    stuck: Bool[Array, ""]
    iterations: Int[Array, ""]


def minimum(
    function: Callable[[Any, Array], Array],
    given: Any,
    start: Float[Array, " N"],
    scale: Float[Array, " N"],
    width: int,
    method: Newton,
) -> Found:
    """Where ``function(given, where)`` of N numbers is least, found downhill from ``start``.

    Steps are measured in ``scale``. The second derivatives couple blocks of ``width`` numbers with the next block only.
    Derivatives with respect to ``given`` are those of the point that was found, by one more solution (implicit function
    theorem); they take no memory of the way there. Under `jax.checkpoint` that keeps `SOLUTION` it is not sought again.
    """
    where, arrived, iterations = _found(function, width, method, given, start, scale)
    return Found(where, arrived > 0.0, iterations.astype(jnp.int32))


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _found(
    function: Callable, width: int, method: Newton, given: Any, start: Array, scale: Array
) -> tuple[Array, Array, Array]:
    no = jnp.zeros((), bool)
    begun = _Search(start, no, no, jnp.zeros((), jnp.int32))
    going = lambda now: ~(now.arrived | now.stuck) & (now.iterations < method.iterations)  # noqa: E731
    better = partial(_better, partial(function, given), scale=scale, width=width, solver=method.solver)
    ended = jax.lax.while_loop(going, better, begun)
    return ended.where, ended.arrived.astype(start.dtype), ended.iterations.astype(start.dtype)


@_found.defjvp
def _found_moved(function: Callable, width: int, method: Newton, primals: tuple, tangents: tuple) -> tuple:
    (given, start, scale), change = primals, tangents[0]
    where, arrived, iterations = _found(function, width, method, given, start, scale)
    where = checkpoint_name(where, SOLUTION)
    slope = jax.grad(function, 1)
    pushed = jax.jvp(lambda told: slope(told, where), (given,), (change,))[1]
    linear = jax.linearize(partial(slope, given), where)[1]
    matrix = method.solver.matrix(linear, where, width)
    solve = lambda _, side: method.solver.solve(matrix, jnp.zeros_like(side), side)  # noqa: E731
    moved = -jax.lax.custom_linear_solve(linear, pushed, solve, symmetric=True)
    still = jnp.zeros_like(arrived)
    return (where, arrived, iterations), (moved, still, still)


def _better(
    function: Callable[[Array], Array], now: _Search, scale: Array, width: int, solver: LinearSolver
) -> _Search:
    """One step of Newton's, kept short enough to go down."""
    slope, linear, value = jax.linearize(_slope_and_value(function), now.where, has_aux=True)
    matrix = solver.matrix(linear, slope, width)
    way, shift = _downhill(matrix, slope, scale, solver)
    last = (jnp.max(jnp.abs(way) / scale) < jnp.sqrt(jnp.finfo(slope.dtype).eps)) & (shift == 0.0)
    share = jnp.where(last, 1.0, _share(function, now.where, value, way, slope @ way, last))
    return _Search(now.where + share * way, last, ~last & (share == 0.0), now.iterations + 1)


def _slope_and_value(function: Callable[[Array], Array]) -> Callable[[Array], tuple[Array, Array]]:
    def both(where: Array) -> tuple[Array, Array]:
        value, slope = jax.value_and_grad(function)(where)
        return slope, value

    return both


def _downhill(matrix: tuple, slope: Array, scale: Array, solver: LinearSolver) -> tuple[Array, Array]:
    """Newton's way, with the diagonal raised until the matrix is positive definite (Levenberg 1944); by how much."""
    weight = _FIRST_SHIFT * jnp.max(jnp.abs(slope) * scale)

    def tried(now: tuple) -> tuple:
        tries = now[2]
        shift = jnp.where(tries > 0, weight * _SHIFT_GROWTH ** (tries - 1.0), 0.0).astype(weight.dtype)
        return solver.solve(matrix, shift / scale**2, -slope), shift, tries + 1

    fails = lambda now: ~jnp.all(jnp.isfinite(now[0])) & (now[2] < _SHIFTS)  # noqa: E731
    begun = (jnp.full_like(slope, jnp.nan), jnp.zeros_like(weight), jnp.zeros((), jnp.int32))
    way, shift, _ = jax.lax.while_loop(fails, tried, begun)
    return way, shift


def _share(function: Callable, where: Array, value: Array, way: Array, descent: Array, last: Array) -> Array:
    """The first of 1, 1/2, 1/4, ... of the way that lowers the function enough; zero where none does."""
    rounding = 8.0 * jnp.finfo(value.dtype).eps * jnp.abs(value)

    def fails(now: tuple) -> Array:
        share, left = now
        enough = function(where + share * way) <= value + _WORTH * share * descent + rounding
        return ~enough & (left > 0) & ~last

    share, left = jax.lax.while_loop(
        fails, lambda now: (0.5 * now[0], now[1] - 1), (jnp.ones_like(value), jnp.asarray(_HALVINGS))
    )
    return jnp.where(left > 0, share, 0.0)
