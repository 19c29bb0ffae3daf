"""A network that says what the law of a cable lacks: where it would rather be bent, and how the air brakes it.

It sees each joint in a frame that turns with the cable about gravity: along the horizontal line between the clamps,
across it, and up. So a cable that is moved, or turned about gravity, is corrected in the same way turned. What it may
say cannot push: bending couples act between neighbouring edges, and a brake only takes energy (`Said`). The role is
that of the network in DEFORM (arXiv 2406.05931), which adds to positions instead.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module, field
from diorama.nn.mlp import MLP, nothing

_FLAT = 1e-4
_TONES = 6
_FEATURES = 45 + _TONES


class Sight(Module):
    """What the network sees of B cables, z up.

    ``position`` [m], ``velocity`` [m/s], total ``twist`` [rad], and the velocities at which the clamps lead the first
    and the last vertex that they hold next to a free one, ``led`` [m/s].
    """

    position: Float[Array, "3 V B"]
    velocity: Float[Array, "3 V B"]
    twist: Float[Array, " B"]
    led: Float[Array, "3 2 B"]


class Said(Module):
    """More curvature without load at joints [1/m], and a further rate at which vertices are braked [1/s]."""

    curvature: Float[Array, "3 J B"]
    drag: Float[Array, "V B"]


class Strand(Module):
    """One small network for every joint; an untrained one says nothing.

    One unit of its output is ``bend_scale`` [1/m] and ``drag_scale`` [1/s].
    """

    network: MLP
    bend_scale: float = field(static=True)
    drag_scale: float = field(static=True)

    @staticmethod
    def build(hidden: tuple[int, ...], seed: int, bend_scale: float = 3.0, drag_scale: float = 1.0) -> "Strand":
        """An untrained network with these ``hidden`` widths."""
        network = MLP.build(np.random.default_rng(seed), (_FEATURES, *hidden, 4), between=nothing, last_gain=0.0)
        return Strand(network, bend_scale, drag_scale)

    def __call__(self, sight: Sight) -> Said:
        """The correction of all joints of all cables."""
        frame = _frame(sight.position)
        inputs = _features(sight, frame)
        rows = inputs.reshape(inputs.shape[0], -1)
        said = jax.vmap(self.network, 1, 1)(rows).reshape(4, *inputs.shape[1:])
        curvature = self.bend_scale * jnp.einsum("akb,ajb->kjb", frame, said[:3])
        drag = self.drag_scale * jnp.pad(jax.nn.relu(said[3]), ((1, 1), (0, 0)))
        return Said(curvature, drag)


def _frame(position: Array) -> Float[Array, "3 3 B"]:
    """The three axes [axis, 3, B]; where one clamp is above the other, the first two are as good as any."""
    chord = position[:2, -1] - position[:2, 0]
    flat = chord / jnp.sqrt(jnp.sum(chord**2, 0, keepdims=True) + _FLAT)
    nought, one = jnp.zeros_like(flat[0]), jnp.ones_like(flat[0])
    along = jnp.stack([flat[0], flat[1], nought])
    return jnp.stack([along, jnp.stack([-flat[1], flat[0], nought]), jnp.stack([nought, nought, one])])


def _features(sight: Sight, frame: Array) -> Float[Array, "F J B"]:
    """What each joint sees, all of the order of one."""
    place, speed = (jnp.einsum("akb,kvb->avb", frame, part) for part in (sight.position, sight.velocity))
    led = jnp.einsum("akb,kvb->avb", frame, sight.led)
    edge, opening = place[:, 1:] - place[:, :-1], speed[:, 1:] - speed[:, :-1]
    size = jnp.sqrt(jnp.sum(edge**2, 0, keepdims=True) + _FLAT**2)
    along, turning = edge / size, 0.1 * opening / size
    middle = place.shape[1] // 2
    centre = 0.5 * (place[:, 1] + place[:, -2])
    joints = (
        4.0 * (place[:, 1:-1] - centre[:, None]),
        speed[:, 1:-1],
        along[:, :-1],
        along[:, 1:],
        turning[:, :-1],
        turning[:, 1:],
    )
    chord = place[jnp.array([0, 2]), -2] - place[jnp.array([0, 2]), 1]
    whole = (
        along[:, 0],
        along[:, -1],
        led[:, 0],
        led[:, 1],
        turning[:, 0],
        turning[:, -1],
        4.0 * (place[:, middle] - centre),
        speed[:, middle],
        2.0 * chord,
        0.5 * sight.twist[None],
    )
    shape = joints[0].shape[1:]
    arc = jnp.linspace(0.0, jnp.pi, shape[0])
    tones = jnp.cos(jnp.arange(1, _TONES + 1)[:, None] * arc[None, :])[:, :, None]
    same = jnp.concatenate(whole)[:, None, :]
    return jnp.concatenate(
        [*joints, jnp.broadcast_to(same, (same.shape[0], *shape)), jnp.broadcast_to(tones, (_TONES, *shape))]
    )
