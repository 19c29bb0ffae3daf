"""What a rod is made of, and the state that it is in. Every number may be differentiated."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module, field
from diorama.envs.rope.config import RodConfig
from diorama.envs.rope.frames import Frames, first_frames
from diorama.envs.rope.hysteresis import Hysteresis
from diorama.envs.rope.plasticity import Plasticity
from diorama.envs.rope.topology import after, before, edges_of, to_vertices
from diorama.envs.rope.vectors import length


class Rod(Module):
    """A discrete elastic rod of V vertices, E edges and J joints (`topology` says which are neighbours).

    Stiffnesses are those of the section: EA [N], EI about the two directors [N m^2], GJ [N m^2]. Rest curvature and
    rest twist are per unit length [1/m], so that they do not change with the mesh. An edge whose ``present`` is 0 is
    no edge: it separates two rods in one set of arrays.
    """

    rest_length: Float[Array, " E"]
    mass: Float[Array, " V"]
    spin_inertia: Float[Array, " E"]
    stretch: Float[Array, " E"]
    bend: Float[Array, "J 2"]
    twist: Float[Array, " J"]
    rest_curvature: Float[Array, "J 2"]
    rest_twist: Float[Array, " J"]
    radius: Float[Array, ""]
    present: Float[Array, " E"]
    closed: bool = field(static=True)
    plasticity: Plasticity | None = None
    hysteresis: Hysteresis | None = None

    @property
    def unbroken(self) -> Float[Array, " J"]:
        """1 where both edges of a joint are there, else 0."""
        return before(self.present, self.closed) * after(self.present, self.closed)

    @property
    def span(self) -> Float[Array, " J"]:
        """The length of rod [m] that belongs to each joint."""
        return 0.5 * (before(self.rest_length, self.closed) + after(self.rest_length, self.closed))


class RodState(Module):
    """Positions [m], velocities [m/s], angles of the sections [rad] and their rates [rad/s], frames, set curvature.

    The frames are those of the last evaluation of forces, one sub-step behind the positions. ``rest_curvature`` [1/m]
    starts as the rod's own and changes where the rod is plastic; so does ``stuck`` [1/m], that of each frictional
    element of a rod with hysteresis.
    """

    position: Float[Array, "V 3"]
    velocity: Float[Array, "V 3"]
    angle: Float[Array, " E"]
    spin: Float[Array, " E"]
    frames: Frames
    rest_curvature: Float[Array, "J 2"]
    stuck: Float[Array, "K J 2"] | None = None


def make_rod(config: RodConfig, position: Float[Array, "V 3"]) -> Rod:
    """A uniform rod of the material and section of ``config`` whose edges rest at their length in ``position`` [m]."""
    kind = position.dtype
    return uniform_rod(
        position,
        stretch=jnp.asarray(config.stretch_stiffness, kind),
        bend=jnp.asarray(config.bend_stiffness, kind),
        twist=jnp.asarray(config.twist_stiffness, kind),
        line_density=jnp.asarray(config.line_density, kind),
        polar_density=jnp.asarray(config.polar_density, kind),
        radius=jnp.asarray(config.radius, kind),
        rest=jnp.asarray((*config.rest_curvature, config.rest_twist), kind),
        closed=config.closed,
    )


def uniform_rod(
    position: Float[Array, "V 3"],
    *,
    stretch: Float[Array, ""],
    bend: Float[Array, " 2"],
    twist: Float[Array, ""],
    line_density: Float[Array, ""],
    polar_density: Float[Array, ""],
    radius: Float[Array, ""],
    rest: Float[Array, " 3"] | None = None,
    closed: bool = False,
) -> Rod:
    """A uniform rod of these stiffnesses (see `Rod`), whose edges rest at their length in ``position`` [m].

    Each edge gives half of its mass, ``line_density`` [kg/m], to each of its vertices, so the ends carry half. The
    inertia of twist is that of the segment, ``polar_density`` [kg m] times its length. ``rest`` is the curvature about
    the two directors and the twist of the rod without load [1/m].
    """
    size = length(edges_of(position, closed))
    ones = jnp.ones_like(before(size, closed))
    mass = 0.5 * line_density * size
    rest = jnp.zeros(3, size.dtype) if rest is None else rest
    return Rod(
        rest_length=size,
        mass=to_vertices(mass, mass, closed),
        spin_inertia=polar_density * size,
        stretch=stretch * jnp.ones_like(size),
        bend=ones[:, None] * bend[None],
        twist=twist * ones,
        rest_curvature=ones[:, None] * rest[None, :2],
        rest_twist=rest[2] * ones,
        radius=radius,
        present=jnp.ones_like(size),
        closed=closed,
    )


def at_rest(rod: Rod, position: Float[Array, "V 3"]) -> RodState:
    """The state of a rod that lies still at ``position`` [m], with frames carried along it and no angles."""
    zero = jnp.zeros_like(rod.rest_length)
    frames = first_frames(position, rod.closed)
    stuck = None
    if rod.hysteresis is not None:
        stuck = jnp.repeat(rod.rest_curvature[None], rod.hysteresis.slip.shape[0], 0)
    return RodState(position, jnp.zeros_like(position), zero, zero, frames, rod.rest_curvature, stuck)


def straight(length_m: float, vertices: int, direction: tuple[float, float, float] = (1.0, 0.0, 0.0)) -> Array:
    """Positions [vertices, 3] of evenly spaced vertices on a line of ``length_m`` from the origin."""
    share = jnp.linspace(0.0, length_m, vertices)
    return share[:, None] * jnp.asarray(direction)[None]


def ring(circumference: float, vertices: int) -> Array:
    """Positions [vertices, 3] of a regular polygon of this circumference [m] in the plane of x and y."""
    angle = 2.0 * jnp.pi * jnp.arange(vertices) / vertices
    radius = circumference / vertices / (2.0 * jnp.sin(jnp.pi / vertices))
    return radius * jnp.stack([jnp.cos(angle), jnp.sin(angle), jnp.zeros_like(angle)], -1)


def joined(first: Rod, second: Rod) -> Rod:
    """Two open rods as one set of arrays: between them lies an edge that is not there. Their states join likewise.

    The radius is that of the first. Lay the rods so that no edge is exactly opposite to the line between them.
    """

    def with_gap(name: str, count: int, value: float) -> Array:
        one, other = getattr(first, name), getattr(second, name)
        gap = jnp.full((count, *one.shape[1:]), value, one.dtype)
        return jnp.concatenate([one, gap, other])

    edge = {name: with_gap(name, 1, 1.0) for name in ("rest_length", "spin_inertia")}
    edge |= {name: with_gap(name, 1, 0.0) for name in ("stretch", "present")}
    joint = {name: with_gap(name, 2, 0.0) for name in ("bend", "twist", "rest_curvature", "rest_twist")}
    mass = jnp.concatenate([first.mass, second.mass])
    return Rod(**edge, **joint, mass=mass, radius=first.radius, closed=False)
