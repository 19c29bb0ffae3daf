"""Symmetric linear systems of chains: by their band, in work that grows with the length of the chain, or densely.

A matrix is known as the linear function that it is. `Banded` finds its blocks from a few products with it (columns
that do not touch the same rows share one product; Curtis, Powell, Reid 1974) and factors them by Cholesky's method,
block by block. `Dense` does the same without knowing of the band, and is the oracle of the tests.
"""

import abc
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from diorama.core import Module

_COLOURS = 3
"""Blocks of a block tridiagonal matrix that are so many places apart share no row."""


class LinearSolver(Module):
    """A way to solve symmetric systems of N numbers that are blocks of ``width``, coupled to the next block only."""

    @abc.abstractmethod
    def matrix(self, linear: Callable[[Array], Array], like: Float[Array, " N"], width: int) -> tuple[Array, ...]:
        """The numbers of the matrix that maps numbers such as ``like``; N is a multiple of ``width``."""

    @abc.abstractmethod
    def solve(
        self, matrix: tuple[Array, ...], shift: Float[Array, " N"], right: Float[Array, " N"]
    ) -> Float[Array, " N"]:
        """The solution with ``shift`` added to the diagonal. Not a number where the sum is not positive definite."""


class Banded(LinearSolver):
    """By blocks: diagonal ones [K, W, W], and those to their left [K, W, W], of which the first is zero."""

    def matrix(self, linear: Callable[[Array], Array], like: Float[Array, " N"], width: int) -> tuple[Array, ...]:
        """See `LinearSolver`; takes 3 W products."""
        size, count = like.size, like.size // width
        block = np.arange(count)
        seeds = np.zeros((_COLOURS, width, count, width))
        for colour in range(_COLOURS):
            seeds[colour, :, colour::_COLOURS] = np.eye(width)[:, None]
        columns = jax.vmap(linear)(jnp.asarray(seeds.reshape(-1, size), like.dtype)).reshape(seeds.shape)
        own, left = (columns[(block - back) % _COLOURS, :, block].swapaxes(1, 2) for back in (0, 1))
        return own, left.at[0].set(0.0)

    def solve(
        self, matrix: tuple[Array, ...], shift: Float[Array, " N"], right: Float[Array, " N"]
    ) -> Float[Array, " N"]:
        """See `LinearSolver`; the work grows as K W^3."""
        own, left = matrix
        rows = right.reshape(own.shape[:2])
        own = own + jax.vmap(jnp.diag)(shift.reshape(rows.shape))
        first = (jnp.eye(own.shape[1], dtype=own.dtype), jnp.zeros_like(rows[0]))
        parts = jax.lax.scan(_eliminate, first, (own, left, rows))[1]
        following = jnp.roll(parts[1], -1, 0)  # the last wraps to the first, which is zero
        back = (parts[0], following, parts[2])
        return jax.lax.scan(_substitute, jnp.zeros_like(rows[0]), back, reverse=True)[1].ravel()


def _eliminate(before: tuple[Array, Array], block: tuple[Array, Array, Array]) -> tuple[tuple, tuple]:
    """Cholesky's step: the root of what is left of a diagonal block, its tie to the block before, and its row."""
    (root, known), (own, left, row) = before, block
    tie = solve_triangular(root, left.T, lower=True)
    root = jnp.linalg.cholesky(own - tie.T @ tie)
    known = solve_triangular(root, row - tie.T @ known, lower=True)
    return (root, known), (root, tie, known)


def _substitute(after: Array, block: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    root, tie, known = block
    found = solve_triangular(root, known - tie @ after, lower=True, trans=1)
    return found, found


class Dense(LinearSolver):
    """As one matrix [N, N]."""

    def matrix(self, linear: Callable[[Array], Array], like: Float[Array, " N"], width: int) -> tuple[Array, ...]:
        """See `LinearSolver`; takes N products."""
        return (jax.vmap(linear)(jnp.eye(like.size, dtype=like.dtype)),)

    def solve(
        self, matrix: tuple[Array, ...], shift: Float[Array, " N"], right: Float[Array, " N"]
    ) -> Float[Array, " N"]:
        """See `LinearSolver`."""
        root = jnp.linalg.cholesky(matrix[0] + jnp.diag(shift))
        solve = partial(solve_triangular, root, lower=True)
        return solve(solve(right), trans=1)
