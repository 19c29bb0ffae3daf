"""The elastic forces by hand: a fifth of the work of differentiating the energy, and the same to rounding.

Gradients of curvature: Bergou et al. 2010, eq. 7 and Panetta et al. 2019; of the reference twist: the writhe that a
turning edge adds, ``kb / (2 |e|)``. All hold where the frames are those of the position.
"""

from jaxtyping import Array, Float

from diorama.core import Module
from diorama.envs.rope.energy import binormal, curvature, twist
from diorama.envs.rope.frames import Frames, material
from diorama.envs.rope.hysteresis import rubbing_moment
from diorama.envs.rope.rod import Rod
from diorama.envs.rope.topology import after, before, edges_of, to_edges, to_vertices
from diorama.envs.rope.vectors import chi, cross, dot, length


class Stress(Module):
    """What a rod carries: tension of each edge [N], bending moments [N m] and torque [N m] at each joint."""

    tension: Float[Array, " E"]
    moment: Float[Array, "J 2"]
    torque: Float[Array, " J"]


def stress(
    rod: Rod,
    position: Float[Array, "V 3"],
    angle: Float[Array, " E"],
    frames: Frames,
    rest_curvature: Float[Array, "J 2"],
    stuck: Float[Array, "K J 2"] | None = None,
) -> Stress:
    """The derivatives of the elastic energy with respect to its strains; with what ``stuck`` elements carry, if any."""
    span = rod.span
    strain = length(edges_of(position, rod.closed)) / rod.rest_length - 1.0
    bent = curvature(rod, frames, angle) / span[:, None]
    moment = rod.bend * (bent - rest_curvature)
    if stuck is not None:
        moment = moment + rod.unbroken[:, None] * rubbing_moment(rod.hysteresis, bent, stuck)
    return Stress(rod.stretch * strain, moment, rod.twist * (twist(rod, frames, angle) / span - rod.rest_twist))


def elastic_forces(
    rod: Rod,
    position: Float[Array, "V 3"],
    angle: Float[Array, " E"],
    frames: Frames,
    rest_curvature: Float[Array, "J 2"],
    stuck: Float[Array, "K J 2"] | None = None,
) -> tuple[Float[Array, "V 3"], Float[Array, " E"]]:
    """Forces on the vertices [N] and torques on the sections about their edges [N m]."""
    carried = stress(rod, position, angle, frames, rest_curvature, stuck)
    pull, torque = _at_joints(rod, frames, angle, carried)
    pull = pull / length(edges_of(position, rod.closed))[:, None] + carried.tension[:, None] * frames.tangent
    return to_vertices(pull, -pull, rod.closed), torque


def _at_joints(rod: Rod, frames: Frames, angle: Array, carried: Stress) -> tuple[Array, Array]:
    """Gradient of bending and twist energy by unit edge vectors [E, 3], and minus their gradient by angles [E]."""
    closed, turn = rod.closed, binormal(frames.tangent, rod.closed)
    first, second = material(frames, angle)
    start, end = before(frames.tangent, closed), after(frames.tangent, closed)
    across = carried.moment[:, :1] * (before(second, closed) + after(second, closed))
    across = across - carried.moment[:, 1:] * (before(first, closed) + after(first, closed))
    share = chi(start, end)[:, None]
    # moment . curvature = kb . across / 2, hence the part along the two tangents together.
    along = 0.5 * dot(turn, across)[:, None] * (start + end) / share
    writhe = 0.5 * carried.torque[:, None] * turn
    on_before = cross(end, across) / share - along + writhe
    on_after = -cross(start, across) / share - along + writhe
    return to_edges(on_before, on_after, closed), _torques(rod, first, second, turn, carried)


def _torques(rod: Rod, first: Array, second: Array, turn: Array, carried: Stress) -> Array:
    bending = carried.moment[:, :1], carried.moment[:, 1:]

    def by_angle(one: Array, other: Array) -> Array:
        """Half of what the turn of one edge's section does to the two curvatures, times the moments."""
        return 0.5 * dot(turn, bending[0] * one + bending[1] * other)

    closed = rod.closed
    on_before = by_angle(before(first, closed), before(second, closed)) + carried.torque
    on_after = by_angle(after(first, closed), after(second, closed)) - carried.torque
    return to_edges(on_before, on_after, closed)
