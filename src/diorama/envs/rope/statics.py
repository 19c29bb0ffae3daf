"""Rest under load, by Newton's method in a trust region, and small motions about it. For tests and for starts at rest.

Runs on the host, one rod at a time, with dense matrices: for a few hundred numbers, not for thousands.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.core.errors import DioramaError, SpecError
from diorama.envs.rope.energy import elastic_energy
from diorama.envs.rope.frames import Frames, advance
from diorama.envs.rope.handles import Handles
from diorama.envs.rope.rod import Rod, RodState
from diorama.envs.rope.topology import edges_of
from diorama.envs.rope.trust import Region, bent_along, turning_metric


class Load(Module):
    """Dead forces on vertices [N], torques on sections [N m], and moments about the z axis on edges [N m].

    Moments are for rods in the plane of x and y: there they have a potential, the angle of the edge.
    """

    force: Float[Array, "V 3"]
    torque: Float[Array, " E"]
    moment: Float[Array, " E"]


def no_load(rod: Rod) -> Load:
    """Zeros."""
    zero = jnp.zeros_like(rod.rest_length)
    return Load(jnp.zeros((rod.mass.shape[0], 3), zero.dtype), zero, zero)


def weight(rod: Rod, gravity: Float[Array, " 3"]) -> Load:
    """The weight of the rod under an acceleration [m/s^2]."""
    return Load(rod.mass[:, None] * gravity[None], no_load(rod).torque, no_load(rod).moment)


def equilibrium(
    rod: Rod, state: RodState, load: Load, handles: Handles, *, tolerance: float = 1e-7, iterations: int = 200
) -> RodState:
    """The state at rest under ``load``, by steps downhill from ``state``, to steps of ``tolerance`` (m and rad).

    Held vertices and sections stay where they are. Raises `DioramaError` where it does not arrive,
    and `SpecError` for a rod with hysteresis, whose rest depends on how it came there.
    """
    if rod.hysteresis is not None:
        raise SpecError("A rod with hysteresis has many places to rest; let it come to rest with drag instead.")
    free = np.flatnonzero(_free(handles))
    position, angle, frames = state.position, state.angle, advance(state.frames, state.position, rod.closed)
    region = Region(turning_metric(rod)[np.ix_(free, free)])
    for _ in range(iterations):
        energy, slope, matrix = expand(rod, position, angle, frames, state.rest_curvature, load)
        way, found = np.zeros(len(slope)), None
        region.look(slope[free], matrix[np.ix_(free, free)])
        while found is None:
            way[free] = region.step()
            place, turned = bent_along(rod, handles, position, way[: position.size]), angle + way[position.size :]
            packed = jnp.concatenate([place.ravel(), turned])
            reached = float(_energy_alone(packed, rod, frames, state.rest_curvature, load))
            small = bool(np.abs(way).max() < tolerance)
            found = (place, turned) if region.accepts(energy, reached) or small else None
        position, angle = found
        frames = advance(frames, position, rod.closed)
        if small:
            still = jnp.zeros_like(position)
            return RodState(position, still, angle, still[: len(angle), 0], frames, state.rest_curvature)
    raise DioramaError(f"No rest was found in {iterations} steps; start nearer to it or apply the load in parts.")


def stiffness_matrix(rod: Rod, state: RodState, load: Load, handles: Handles) -> tuple[np.ndarray, np.ndarray]:
    """The second derivatives of the energy about a state at rest, and the inertias, of all numbers that are free.

    Positions come first, vertex by vertex, then angles. A rest is stable where no eigenvalue is negative.
    """
    frames = advance(state.frames, state.position, rod.closed)
    matrix = expand(rod, state.position, state.angle, frames, state.rest_curvature, load)[2]
    free = np.flatnonzero(_free(handles))
    inertia = np.concatenate([np.repeat(np.asarray(rod.mass), 3), np.asarray(rod.spin_inertia)])
    return matrix[np.ix_(free, free)], inertia[free]


def frequencies(matrix: np.ndarray, inertia: np.ndarray) -> np.ndarray:
    """Of small motions [Hz], rising; negative for one that grows."""
    root = np.sqrt(inertia)
    squares = np.linalg.eigvalsh(matrix / root[:, None] / root[None])
    return np.sign(squares) * np.sqrt(np.abs(squares)) / (2.0 * np.pi)


def expand(
    rod: Rod, position: Array, angle: Array, frames: Frames, rest_curvature: Array, load: Load
) -> tuple[float, np.ndarray, np.ndarray]:
    """Energy [J] with that of the load, its gradient and its matrix of second derivatives, on the host."""
    packed = jnp.concatenate([position.ravel(), angle])
    energy, slope, matrix = _expand(packed, rod, frames, rest_curvature, load)
    return float(energy), np.asarray(slope), np.asarray(matrix)


@jax.jit
def _expand(packed: Array, rod: Rod, frames: Frames, rest_curvature: Array, load: Load) -> tuple:
    energy = partial(_energy, rod=rod, frames=frames, rest_curvature=rest_curvature, load=load)
    slope = jax.grad(energy)
    return energy(packed), slope(packed), jax.jacfwd(slope)(packed)


@jax.jit
def _energy_alone(packed: Array, rod: Rod, frames: Frames, rest_curvature: Array, load: Load) -> Array:
    return _energy(packed, rod, frames, rest_curvature, load)


def _energy(packed: Array, rod: Rod, frames: Frames, rest_curvature: Array, load: Load) -> Array:
    split = 3 * rod.mass.shape[0]
    position, angle = packed[:split].reshape(-1, 3), packed[split:]
    edge = edges_of(position, rod.closed)
    # Measured from where the edge points in the frames, so that the angle never jumps.
    ahead = frames.tangent
    turn = jnp.arctan2(ahead[:, 0] * edge[:, 1] - ahead[:, 1] * edge[:, 0], jnp.sum(ahead[:, :2] * edge[:, :2], -1))
    elastic = elastic_energy(rod, position, angle, frames, rest_curvature)
    return elastic - jnp.sum(load.force * position) - jnp.sum(load.torque * angle) - jnp.sum(load.moment * turn)


def _free(handles: Handles) -> np.ndarray:
    return np.concatenate([np.repeat(np.asarray(handles.vertices), 3), np.asarray(handles.edges)]) == 0.0
