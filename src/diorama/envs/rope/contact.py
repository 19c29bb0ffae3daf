"""Contact of a rod with rigid shapes, felt along its edges and not at its vertices alone.

Each edge carries a few points at even distances; a point that comes near a shape is pushed out by a force per unit
length, the gradient of a potential. The force starts smoothly: ``smoothing`` is the distance before the surface at
which it sets in, and may be annealed. Nothing thinner than the distance between two points should be stood in the way.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module, field
from diorama.envs.rope.rod import Rod
from diorama.envs.rope.shapes import Shape
from diorama.envs.rope.topology import first_vertex, second_vertex, to_vertices
from diorama.envs.rope.vectors import length


class Contact(Module):
    """How surfaces push and rub.

    ``stiffness`` [N/m per m of rod], ``smoothing`` [m], coefficients of static and kinetic friction, and ``damping``
    [s/m], which makes the push ``1 + damping * speed`` times larger on the way in (Hunt and Crossley 1975).
    """

    stiffness: Float[Array, ""]
    smoothing: Float[Array, ""]
    static_friction: Float[Array, ""]
    kinetic_friction: Float[Array, ""]
    damping: Float[Array, ""]
    points: int = field(static=True, default=2)


def ramp(gap: Float[Array, "*N"], smoothing: Float[Array, ""]) -> Float[Array, "*N"]:
    """How deep [m] a contact counts: minus the gap where it is deep, zero before ``smoothing``, a parabola between."""
    inner = jnp.clip(gap, -smoothing, smoothing)
    return jnp.where(gap < -smoothing, -gap, (smoothing - inner) ** 2 / (4.0 * smoothing))


def ramp_energy(gap: Float[Array, "*N"], smoothing: Float[Array, ""]) -> Float[Array, "*N"]:
    """Minus the integral of `ramp` [m^2]: the energy of a contact of stiffness one."""
    inner = jnp.clip(gap, -smoothing, smoothing)
    deep = jnp.minimum(gap, -smoothing)
    return 0.5 * (deep**2 - smoothing**2) + (smoothing - inner) ** 3 / (12.0 * smoothing)


def shape_forces(
    rod: Rod,
    contact: Contact,
    shapes: tuple[Shape, ...],
    position: Float[Array, "V 3"],
    velocity: Float[Array, "V 3"],
) -> Float[Array, "V 3"]:
    """The push of all shapes on each vertex [N], without friction, whose load is the length of this push."""
    share = _shares(contact, position)
    place, speed = (_along(rod, of_vertices, share) for of_vertices in (position, velocity))
    weight = rod.present * rod.rest_length / contact.points
    push = sum(_push(contact, shape, rod.radius, place, speed) for shape in shapes) * weight[:, None, None]
    towards_second = jnp.sum(push * share[None, :, None], 1)
    return to_vertices(jnp.sum(push, 1) - towards_second, towards_second, rod.closed)


def shape_energy(
    rod: Rod,
    contact: Contact,
    shapes: tuple[Shape, ...],
    position: Float[Array, "V 3"],
    braking: tuple[Float[Array, "E P"], ...],
) -> Float[Array, ""]:
    """Energy [J] whose slope is the push of all shapes, each point made stiffer by its share of ``braking``."""
    place = _along(rod, position, _shares(contact, position))
    weight = rod.present * rod.rest_length / contact.points
    distances = (jax.vmap(jax.vmap(shape.distance))(place) for shape in shapes)
    pairs = zip(distances, braking, strict=True)
    deep = sum(share * ramp_energy(distance - rod.radius, contact.smoothing) for distance, share in pairs)
    return contact.stiffness * jnp.sum(weight[:, None] * deep)


def braking(
    rod: Rod,
    contact: Contact,
    shapes: tuple[Shape, ...],
    position: Float[Array, "V 3"],
    velocity: Float[Array, "V 3"],
) -> tuple[Float[Array, "E P"], ...]:
    """How many times stiffer each point finds each shape on its way in: ``1 + damping * speed``."""
    share = _shares(contact, position)
    place, speed = (_along(rod, of_vertices, share) for of_vertices in (position, velocity))
    normals = (jax.vmap(jax.vmap(jax.grad(shape.distance)))(place) for shape in shapes)
    return tuple(_braked(contact, speed, normal) for normal in normals)


def _shares(contact: Contact, like: Array) -> Array:
    return (jnp.arange(contact.points, dtype=like.dtype) + 0.5) / contact.points


def _braked(contact: Contact, speed: Array, normal: Array) -> Array:
    return 1.0 + contact.damping * jnp.maximum(-jnp.sum(speed * normal, -1), 0.0)


def _along(rod: Rod, of_vertices: Array, share: Array) -> Array:
    """Values [E, P, 3] at points along each edge."""
    start, end = first_vertex(of_vertices, rod.closed), second_vertex(of_vertices, rod.closed)
    return start[:, None] + share[None, :, None] * (end - start)[:, None]


def _push(contact: Contact, shape: Shape, radius: Array, place: Array, speed: Array) -> Array:
    """Force per unit length [N/m] on points [E, P, 3]."""
    distance, normal = jax.vmap(jax.vmap(jax.value_and_grad(shape.distance)))(place)
    size = contact.stiffness * ramp(distance - radius, contact.smoothing) * _braked(contact, speed, normal)
    return size[..., None] * normal


def rubbed(
    contact: Contact,
    push: Float[Array, "V 3"],
    velocity: Float[Array, "V 3"],
    impulse: Float[Array, "V 3"],
    inverse_mass: Float[Array, " V"],
    step: Float[Array, ""],
) -> tuple[Float[Array, "V 3"], Float[Array, "V 3"]]:
    """Velocities after friction with the shapes that ``push`` [N], and the impulses [N s] of friction so far.

    A vertex stops along the surface where static friction suffices for that, and so rests without creeping; else the
    impulse is that of kinetic friction. Vertices that are held are not slowed.
    """
    load = length(push)
    normal = push / jnp.where(load > 0.0, load, 1.0)[:, None]
    sliding = velocity - jnp.sum(velocity * normal, -1, keepdims=True) * normal
    mass = jnp.where(inverse_mass > 0.0, 1.0 / jnp.where(inverse_mass > 0.0, inverse_mass, 1.0), 0.0)
    told = coulomb(contact, impulse - mass[:, None] * sliding, load * step)
    return velocity + inverse_mass[:, None] * (told - impulse), told


def coulomb(contact: Contact, wanted: Float[Array, "N 3"], budget: Float[Array, " N"]) -> Float[Array, "N 3"]:
    """The impulse of friction [N s]: the ``wanted`` one if static friction gives it, else that of kinetic friction."""
    size = length(wanted)
    sticks = size <= contact.static_friction * budget
    limit = contact.kinetic_friction * budget / jnp.where(sticks, 1.0, size)
    return wanted * jnp.where(sticks, 1.0, limit)[:, None]
