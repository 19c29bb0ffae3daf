"""Friction inside a cable: bending that costs work on the way there and on the way back.

Elements that stick and slip lie parallel to elastic bending (Iwan 1966): the moment of each is its stiffness times the
curvature since it last stuck, and never more than at its ``slip`` curvature. So a cable whose strands stick to each
other is as stiff as all of it, and as its layers slip, one after the other, it becomes as soft as its strands
(Papailiou 1997). Elements slip by return mapping per unit length, so the loop depends neither on the mesh nor on speed.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.envs.rope.plasticity import Plasticity, return_map


class Hysteresis(Module):
    """K elements: the bending stiffness of each about any axis [N m^2], and the curvature at which it slips [1/m]."""

    stiffness: Float[Array, " K"]
    slip: Float[Array, " K"]


def hysteresis(*elements: tuple[float, float]) -> Hysteresis:
    """Of elements with this bending stiffness [N m^2] and slip curvature [1/m]."""
    stiffness, slip = zip(*elements, strict=True)
    return Hysteresis(jnp.asarray(stiffness, float), jnp.asarray(slip, float))


def slipped(of: Hysteresis, curvature: Float[Array, "J 2"], stuck: Float[Array, "K J 2"]) -> Float[Array, "K J 2"]:
    """The curvature [1/m] at which each element carries nothing, after a sub-step that ends at ``curvature`` [1/m]."""
    whole = jnp.ones((), of.slip.dtype)
    each = [return_map(Plasticity(of.slip[k], whole), curvature, stuck[k]) for k in range(of.slip.shape[0])]
    return jnp.stack(each)


def rubbing_moment(of: Hysteresis, curvature: Float[Array, "J 2"], stuck: Float[Array, "K J 2"]) -> Float[Array, "J 2"]:
    """The moments [N m] of all elements together."""
    return jnp.sum(of.stiffness[:, None, None] * (curvature[None] - stuck), 0)


def stuck_energy(
    of: Hysteresis, curvature: Float[Array, "J 2"], stuck: Float[Array, "K J 2"], span: Float[Array, " J"]
) -> Float[Array, ""]:
    """What all elements give back when they are let go [J], or take where they are bent on beyond slipping.

    A parabola up to the slip curvature, a line beyond: the incremental potential of an element that slips.
    """
    square = jnp.sum((curvature[None] - stuck) ** 2, -1)
    limit = of.slip[:, None]
    slips = square > limit**2
    line = limit * (jnp.sqrt(jnp.where(slips, square, 1.0)) - 0.5 * limit)
    return jnp.sum(of.stiffness[:, None] * jnp.where(slips, line, 0.5 * square) * span[None])
