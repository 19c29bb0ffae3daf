"""What the quasi-static tee has for free parameters, and what they are by geometry alone."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.envs.pusht.geometry import UNIT_AREA, UNIT_BOXES

_GRID = 200


class Parameters(Module):
    """The four numbers of the model, in units of the tee's scale where they are lengths.

    ``lever``: largest torque over largest force of the friction with the table, for a block of 1 kg. ``centre``: where
    the centre of friction lies on the stem's axis, from the bar's outer edge. ``yielding``: the share of an overlap
    that the block gives way to in 0.01 s; 1 is a rigid contact. ``grip``: a coefficient of friction between agent and
    block that is added to the factor ``friction``.
    """

    lever: Float[Array, ""]
    centre: Float[Array, ""]
    yielding: Float[Array, ""]
    grip: Float[Array, ""]

    @staticmethod
    def of(lever: float, centre: float, yielding: float = 1.0, grip: float = 0.0) -> "Parameters":
        """These numbers as arrays."""
        return Parameters(*(jnp.asarray(value, jnp.float32) for value in (lever, centre, yielding, grip)))

    def numbers(self) -> dict[str, float]:
        """The parameters by name."""
        return {name: float(getattr(self, name)) for name in ("lever", "centre", "yielding", "grip")}


def by_geometry() -> Parameters:
    """A tee that rests on the table evenly, with a rigid contact: nothing is fitted.

    The centre of friction is then the centroid, and the lever the mean distance from it: the torque of a pure turn over
    the force of a pure slide, with even pressure and Coulomb friction.
    """
    points, weights = _even_grid()
    centroid = weights @ points
    lever = weights @ np.linalg.norm(points - centroid, axis=1)
    return Parameters.of(float(lever), float(centroid[1]))


def _even_grid() -> tuple[np.ndarray, np.ndarray]:
    """Points [K, 2] all over the tee of scale 1, and the share of its area that each stands for [K]."""
    steps = (np.arange(_GRID) + 0.5) / _GRID
    unit = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    points = np.concatenate([low + unit * (high - low) for low, high in UNIT_BOXES])
    areas = np.prod(UNIT_BOXES[:, 1] - UNIT_BOXES[:, 0], axis=1)
    return points, np.repeat(areas / UNIT_AREA / len(unit), len(unit))
