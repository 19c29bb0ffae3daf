"""A moving frame in the plane: what is seen from a body, whatever its pose.

The laws of a body that is pushed on a table do not depend on where it lies or which way it points. A network that sees
everything in the body's own frame knows this from the first sample. Indices count entries of the flat observation
vector (see `Layout`). Source: any text on equivariance; here only the change of coordinates, no special layers.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.nn.planar_frame import Pair, PlanarFrame


def rotate(vector: Float[Array, "*B 2"], heading: Float[Array, "*B 2"]) -> Float[Array, "*B 2"]:
    """``vector`` turned by the angle whose cosine and sine are ``heading``."""
    x, y = vector[..., 0], vector[..., 1]
    cosine, sine = heading[..., 0], heading[..., 1]
    return jnp.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)


def lift(frame: PlanarFrame, observation: Float[Array, " n"]) -> Float[Array, " m"]:
    """What an observation shows in the frame: points and landmarks from the origin, vectors, errors of the targets."""
    back = _back(observation[np.array(frame.heading)])
    origin = observation[np.array(frame.origin)]
    points = [rotate(observation[np.array(p)] - origin, back) for p in frame.points]
    landmarks = [rotate(jnp.array(point) - origin, back) for point in frame.landmarks]
    vectors = [rotate(observation[np.array(v)], back) for v in frame.vectors]
    errors = [rotate(jnp.array(place) - origin, back) - jnp.array(own) for place, own in frame.targets]
    close = [jnp.tanh(error / length) for error in errors for length in frame.closeups]
    return jnp.concatenate([jnp.zeros(0), *points, *landmarks, *vectors, *waves(frame, points), *errors, *close])


def waves(frame: PlanarFrame, points: list[Float[Array, " 2"]]) -> list[Float[Array, " w"]]:
    """Sines and cosines of each coordinate of each point, one pair for each wavelength of the frame."""
    angles = [2 * jnp.pi * point / length for point in points for length in frame.wavelengths]
    return [wave(angle) for angle in angles for wave in (jnp.sin, jnp.cos)]


def to_frame(frame: PlanarFrame, observation: Float[Array, " n"], change: Float[Array, " n"]) -> Float[Array, " n"]:
    """A change of the observation with all its planar entries (heading and origin too) turned into the frame."""
    return _turn_pairs(_pairs(frame), change, _back(observation[np.array(frame.heading)]))


def from_frame(frame: PlanarFrame, observation: Float[Array, " n"], change: Float[Array, " n"]) -> Float[Array, " n"]:
    """The inverse of `to_frame`."""
    return _turn_pairs(_pairs(frame), change, observation[np.array(frame.heading)])


def action_to_frame(
    frame: PlanarFrame, observation: Float[Array, " n"], action: Float[Array, " A"]
) -> Float[Array, " A"]:
    """The action with its planar entries turned into the frame."""
    return _turn_pairs(frame.actions, action, _back(observation[np.array(frame.heading)]))


def normalise_heading(frame: PlanarFrame, observation: Float[Array, " n"]) -> Float[Array, " n"]:
    """The observation with a heading of unit length, so that errors of a prediction do not grow into a scale."""
    index = np.array(frame.heading)
    heading = observation[index]
    return observation.at[index].set(heading * jax.lax.rsqrt(jnp.sum(heading**2) + 1e-8))


def _back(heading: Float[Array, "*B 2"]) -> Float[Array, "*B 2"]:
    return heading * jnp.array([1.0, -1.0])


def _pairs(frame: PlanarFrame) -> tuple[Pair, ...]:
    return (frame.origin, frame.heading, *frame.points, *frame.vectors)


def _turn_pairs(pairs: tuple[Pair, ...], values: Array, heading: Float[Array, " 2"]) -> Array:
    for pair in pairs:
        index = np.array(pair)
        values = values.at[index].set(rotate(values[index], heading))
    return values
