"""Find what a measured cable is made of, from how it moved: least squares through the simulator's derivatives.

The unknowns are stretch, bend and twist stiffness, dampers and drag, how bending stiffness and mass are spread along
the cable, its rest lengths, its curvature without load, and how the clamps are turned. All are per line density.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from diorama.core import Module
from diorama.envs.rope.cable import Cable, Mounting, roll_out
from diorama.envs.rope.mocap import CLAMPED, GIVEN, Recording
from diorama.learn.least_squares import minimise
from diorama.learn.progress import Progress, silent
from diorama.recipes.cables_config import IdentifyConfig


class Unknowns(Module):
    """The numbers that are sought: logarithms of positive ones, so that every value is possible."""

    rest_length: Float[Array, " E"]
    mass: Float[Array, " V"]
    stretch: Float[Array, ""]
    bend: Float[Array, ""]
    bend_spread: Float[Array, " J"]
    twist: Float[Array, ""]
    stretch_damping: Float[Array, ""]
    bend_damping: Float[Array, ""]
    drag: Float[Array, ""]
    drag_square: Float[Array, ""]
    curvature: Float[Array, "2 J"]
    roll: Float[Array, ""]

    def cable(self, mounting: Mounting) -> Cable:
        """The cable, held like that."""
        rest = mounting.length * jnp.exp(self.rest_length)
        even = 0.5 * (jnp.pad(rest, (0, 1)) + jnp.pad(rest, (1, 0)))
        scalars = (self.stretch_damping, self.bend_damping, self.drag, self.drag_square)
        return Cable(
            rest,
            even * jnp.exp(self.mass),
            jnp.exp(self.stretch),
            jnp.exp(self.bend + self.bend_spread),
            jnp.exp(self.twist),
            *(jnp.exp(number) for number in scalars),
            self.curvature,
            self.roll,
            mounting,
        )


def guess(vertices: int) -> Unknowns:
    """Where every identification starts, whatever the cable: a cable of middling stiffness, even and straight."""
    nought, number = jnp.zeros(()), jnp.asarray
    return Unknowns(
        jnp.zeros(vertices - 1),
        jnp.zeros(vertices),
        jnp.log(number(600.0)),
        jnp.log(number(0.02)),
        jnp.zeros(vertices - 2),
        jnp.log(number(0.01)),
        nought,
        jnp.log(number(1e-3)),
        jnp.log(number(0.2)),
        jnp.log(number(0.1)),
        jnp.zeros((2, vertices - 2)),
        nought,
    )


def prior(vertices: int) -> Unknowns:
    """Standard deviations about the guess: factors of e to a few, 1 % of a length, 10 % of a mass, 1/m of curvature."""
    like = guess(vertices)
    widths = (0.01, 0.1, 0.1, 2.0, 0.2, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5)
    return Unknowns(*(jnp.full_like(leaf, wide) for leaf, wide in zip(jax.tree.leaves(like), widths, strict=True)))


def mounting(recording: Recording) -> Mounting:
    """What the clamped vertices of ``recording`` show of how the cable is held.

    The directors of the clamps lie as near as they can to the horizontal across the mean line between the clamps, so
    that a cable that hangs in a plane has no twist.
    """
    edges = np.diff(recording.vertices, axis=2)
    ends = edges[:, :, [0, -1]]
    attitude = _direction((ends / np.linalg.norm(ends, axis=-1, keepdims=True)).mean((0, 1)))
    chord = (recording.vertices[:, :, -1] - recording.vertices[:, :, 0]).mean((0, 1))
    level = np.array([-chord[1], chord[0], 0.0])
    heading = _direction(level - (attitude @ level)[:, None] * attitude)
    lengths = np.linalg.norm(edges, axis=-1).mean((0, 1))
    return Mounting(*(jnp.asarray(part, jnp.float32) for part in (lengths, attitude, heading)))


def _direction(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def batch_last(vertices: np.ndarray) -> Float[Array, "T 3 V N"]:
    """Frames as the simulator takes them, from [N, T, V, 3]."""
    return jnp.asarray(vertices.transpose(1, 3, 2, 0), jnp.float32)


def clamped(frames: Float[Array, "T 3 V N"]) -> Float[Array, "T 3 C N"]:
    """The vertices that follow their measured path, each coordinate as the median of five frames.

    Tracking loses a marker now and then; a clamp that jumps for a frame or two would throw the simulated cable.
    """
    path = jnp.concatenate([frames[:, :, :CLAMPED], frames[:, :, -CLAMPED:]], 2)
    wide = jnp.pad(path, ((2, 2), (0, 0), (0, 0), (0, 0)), mode="edge")
    return jnp.median(jnp.stack([wide[k : k + len(path)] for k in range(5)]), 0)


def identify(config: IdentifyConfig, recording: Recording, *, progress: Progress = silent) -> Cable:
    """The cable that moves most like the one in ``recording``, from the one `guess`, whatever the cable.

    Multiple shooting: each descent sees windows from other random moments, and starts where the last one ended.
    """
    held = mounting(recording)
    vertices = recording.vertices.shape[2]
    first = found = guess(vertices)
    for stage, iterations in enumerate(config.iterations):
        data = (held, _windows(config, recording, stage))
        found = minimise(
            config.descent.with_iterations(iterations),
            _residual(config),
            found,
            prior(vertices),
            data,
            centre=first,
            progress=progress,
            stage=f"identify {stage + 1}",
        )
    return found.cable(held)


def _residual(config: IdentifyConfig) -> Callable[[Unknowns, tuple], Array]:
    def residual(unknowns: Unknowns, data: tuple) -> Array:
        held, seen = data
        law = unknowns.cable(held)
        said = roll_out(law, seen[0], seen[1], clamped(seen[GIVEN:]), substeps=config.substeps)
        error = (said - seen[GIVEN:])[config.every - 1 :: config.every, :, CLAMPED:-CLAMPED]
        return error / config.unit_m

    return residual


def _windows(config: IdentifyConfig, recording: Recording, stage: int) -> Float[Array, "T 3 V N"]:
    """Windows from random moments, each trajectory in its turn."""
    rng = np.random.default_rng([config.seed, stage])
    length = min(config.frames + GIVEN, recording.vertices.shape[1])
    return batch_last(recording.windows(rng, config.windows, length))
