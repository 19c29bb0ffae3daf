"""Steps towards rest: Newton's, kept short enough to go downhill, along ways that turn edges and do not stretch them.

A rod resists stretch far more than turns, so a straight step that turns it raises its energy. Here a step is read as a
stretch and a turn of each edge, and its size is that of the turns.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.envs.rope.handles import Handles
from diorama.envs.rope.rod import Rod

_FIRST, _LARGEST, _SMALLEST = 1.0, 10.0, 1e-12
_WORTH = 1e-4
"""Least share of the promised descent that a step must bring."""
_ROUNDING = 1e-13
_FLOOR = 1e-12
_HALVINGS = 60


class Region:
    """A trust region about the present state: Newton's step in it, with all directions made to lead down.

    Its radius is the root of the summed squares of the turns of edges and of sections [rad].
    """

    def __init__(self, metric: Float[np.ndarray, "N N"]):
        self._half = np.linalg.inv(np.linalg.cholesky(metric)).T
        self._radius = _FIRST

    def look(self, slope: Float[np.ndarray, " N"], matrix: Float[np.ndarray, "N N"]) -> None:
        """Takes the derivatives of the energy at a new state."""
        values, vectors = np.linalg.eigh(self._half.T @ matrix @ self._half)
        self._basis = self._half @ vectors
        self._stiffness = np.maximum(np.abs(values), _FLOOR * np.abs(values).max())
        self._values, self._slope = values, self._basis.T @ slope

    def step(self) -> Float[np.ndarray, " N"]:
        """The step, no longer than the radius."""
        self._way = self._damped(0.0)
        if np.linalg.norm(self._way) > self._radius:
            low, high = 0.0, np.linalg.norm(self._slope) / self._radius
            for _ in range(_HALVINGS):
                middle = 0.5 * (low + high)
                too_long = np.linalg.norm(self._damped(middle)) > self._radius
                low, high = (middle, high) if too_long else (low, middle)
            self._way = self._damped(high)
        return self._basis @ self._way

    def accepts(self, energy: float, reached: float) -> bool:
        """Whether the last step led down as promised; the radius follows."""
        promised = -(self._slope @ self._way + 0.5 * self._values @ self._way**2)
        share = (energy - reached + _ROUNDING * (abs(energy) + abs(reached))) / max(promised, 1e-300)
        size = float(np.linalg.norm(self._way))
        if not share > 0.25:
            self._radius = max(0.25 * size, _SMALLEST)
        elif share > 0.75 and size > 0.9 * self._radius:
            self._radius = min(2.0 * self._radius, _LARGEST)
        return bool(share > _WORTH) or self._radius <= _SMALLEST

    def _damped(self, more: float) -> np.ndarray:
        return -self._slope / (self._stiffness + more)


def turning_metric(rod: Rod) -> Float[np.ndarray, "N N"]:
    """The squared size of a step of positions and angles: the turns of edges and sections, and a little of motion."""
    vertices, edges = rod.mass.shape[0], rod.rest_length.shape[0]
    change = np.roll(np.eye(vertices), 1, axis=1)[:edges] - np.eye(vertices)[:edges]
    change /= np.asarray(rod.rest_length)[:, None]
    whole = float(rod.rest_length.sum())
    of_vertices = change.T @ change + np.eye(vertices) / (vertices * whole**2)
    metric = np.eye(3 * vertices + edges)
    metric[: 3 * vertices, : 3 * vertices] = np.kron(of_vertices, np.eye(3))
    return metric


def bent_along(
    rod: Rod, handles: Handles, position: Float[Array, "V 3"], way: Float[np.ndarray, " M"]
) -> Float[Array, "V 3"]:
    """``position`` moved by ``way`` [m] (vertex by vertex), where each edge is turned instead of moved across itself.

    To first order it is ``position + way``. Held vertices stay; what does not fit between two of them is spread evenly.
    """
    place, shift = np.asarray(position), way.reshape(-1, 3)
    count = rod.rest_length.shape[0]
    edge, change = (np.roll(rows, -1, 0)[:count] - rows[:count] for rows in (place, shift))
    size = np.linalg.norm(edge, axis=1, keepdims=True)
    ahead = edge / size
    along = np.sum(change * ahead, 1, keepdims=True)
    across = change - along * ahead
    turn = np.linalg.norm(across, axis=1, keepdims=True) / size
    longer = np.maximum(size + along, 0.1 * size)
    turned = longer * (np.cos(turn) * ahead + np.sinc(turn / np.pi) * across / size)
    return jnp.asarray(place + shift + _fitted(turned - edge - change, np.asarray(handles.vertices), rod.closed))


def _fitted(gain: np.ndarray, held: np.ndarray, closed: bool) -> np.ndarray:
    """Shifts of the vertices that give each edge this gain, but none at vertices that are held."""
    summed = np.concatenate([np.zeros((1, 3)), np.cumsum(gain, 0)])
    index = np.arange(len(held))
    if closed:
        summed = summed - np.linspace(0.0, 1.0, len(summed))[:, None] * summed[-1]
    summed = summed[: len(held)]
    if not held.any():
        return summed - summed.mean(0)
    fixed = np.flatnonzero(held)
    away = np.stack([np.interp(index, fixed, summed[fixed, axis]) for axis in range(3)], 1)
    return summed - away
