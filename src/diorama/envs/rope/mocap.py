"""Measured cables: reading them, the published way of scoring a prediction of them, and baselines. JAX-free.

Source of the protocol: DEFORM (Chen et al., CoRL 2024, arXiv 2406.05931): the first two and the last two vertices
follow their measured path, the others are predicted open loop from the first two frames on.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float, Shaped

from diorama.core.errors import DataError

FOLDER_VARIABLE = "DIORAMA_CABLES"
PERIOD = 0.01
"""Between two frames [s]."""
CLAMPED = 2
"""Vertices at each end that follow their measured path."""
GIVEN = 2
"""Frames that a prediction may see of the other vertices."""
_JUMP = 0.02
_TRIES = 20


@dataclass(frozen=True)
class Recording:
    """Motions of one cable: ``vertices`` [N, T, V, 3] in metres, z up, at 100 Hz, and which trajectory each is."""

    name: str
    trajectory: Shaped[np.ndarray, " N"]
    vertices: Float[np.ndarray, "N T V 3"]

    def only(self, index: np.ndarray | slice) -> "Recording":
        """Some of its trajectories."""
        return Recording(self.name, self.trajectory[index], self.vertices[index])

    def windows(self, rng: np.random.Generator, count: int, length: int) -> Float[np.ndarray, "N L V 3"]:
        """``count`` windows of ``length`` frames, each trajectory in its turn, from random moments.

        A window in which tracking lost a vertex (it turns by more than 200 g) is drawn anew, a few times.
        """
        which = np.concatenate([rng.permutation(len(self.vertices)) for _ in range(count // len(self.vertices) + 1)])
        which = which[:count]
        jumps = np.linalg.norm(np.diff(self.vertices, 2, axis=1), axis=-1).max(-1) > _JUMP
        last = self.vertices.shape[1] - length
        before = np.pad(np.cumsum(jumps, 1), ((0, 0), (1, 2)), mode="edge")
        start = rng.integers(0, last + 1, count)
        for _ in range(_TRIES):
            lost = before[which, np.minimum(start + length, before.shape[1] - 1)] > before[which, start]
            start = np.where(lost, rng.integers(0, last + 1, count), start)
        return self.vertices[which[:, None], start[:, None] + np.arange(length)]

    def split(self, held_out: int, seed: int) -> tuple["Recording", "Recording"]:
        """All but ``held_out`` trajectories, drawn with ``seed``, and those. Raises `DataError` where none is left."""
        count = len(self.trajectory)
        if not 0 < held_out < count:
            raise DataError(f"{held_out} of {count} trajectories cannot be held out; hold out fewer, at least one.")
        order = np.random.default_rng(seed).permutation(count)
        return self.only(np.sort(order[held_out:])), self.only(np.sort(order[:held_out]))


@dataclass(frozen=True)
class Score:
    """Distances [m] between a prediction and the measured cable, one number for each trajectory [N].

    Means over frames after the given ones, and over vertices: ``coordinate`` of the absolute difference of one
    coordinate, ``l1`` of the sum over the three coordinates (three times that), ``euclidean`` of the distance. The
    names with ``_all`` count the clamped vertices too, which are right by construction.
    """

    coordinate: Float[np.ndarray, " N"]
    l1: Float[np.ndarray, " N"]
    euclidean: Float[np.ndarray, " N"]
    coordinate_all: Float[np.ndarray, " N"]
    l1_all: Float[np.ndarray, " N"]
    euclidean_all: Float[np.ndarray, " N"]


def default_folder() -> Path:
    """Where the cables are: the variable ``DIORAMA_CABLES``, or ``../shared/data/dlo-mocap`` beside the checkout."""
    beside = Path(__file__).resolve().parents[5] / "shared" / "data" / "dlo-mocap"
    return Path(os.environ.get(FOLDER_VARIABLE, beside))


def read_recording(path: str | Path) -> Recording:
    """The recording in an ``.npz`` with ``vertices_m`` and, where it has them, ``trajectory_id``.

    Raises `DataError` where the file cannot be read, is no such recording, or is not finite.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            vertices = np.asarray(file["vertices_m"], np.float64)
            names = np.asarray(file["trajectory_id"]) if "trajectory_id" in file else np.arange(len(vertices))
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(f"{path} is no recording of a cable ({error}); give an .npz with vertices_m.") from error
    if vertices.ndim != 4 or vertices.shape[-1] != 3 or vertices.shape[2] <= 2 * CLAMPED or vertices.shape[1] <= GIVEN:
        raise DataError(f"{path} holds vertices of shape {vertices.shape}; give [trajectories, frames, vertices, 3].")
    if len(names) != len(vertices):
        raise DataError(f"{path} names {len(names)} trajectories and holds {len(vertices)}; give one name for each.")
    if not np.isfinite(vertices).all():
        raise DataError(f"{path} has vertices that are not finite; leave those trajectories out.")
    return Recording(path.stem, names, vertices)


def score(predicted: Float[np.ndarray, "N P V 3"], recording: Recording) -> Score:
    """How far ``predicted``, the P frames after the given ones, is from the measured frames."""
    error = np.asarray(predicted, np.float64) - recording.vertices[:, GIVEN : GIVEN + predicted.shape[1]]
    size, distance = np.abs(error), np.linalg.norm(error, axis=-1)
    free = slice(CLAMPED, -CLAMPED)

    def mean(values: np.ndarray) -> np.ndarray:
        return values.reshape(len(values), -1).mean(1)

    return Score(
        mean(size[:, :, free]),
        mean(size[:, :, free].sum(-1)),
        mean(distance[:, :, free]),
        mean(size),
        mean(size.sum(-1)),
        mean(distance),
    )


def copied_frame(recording: Recording) -> Float[np.ndarray, "N P V 3"]:
    """A baseline: the free vertices stay where they were in the last given frame."""
    frames = recording.vertices[:, GIVEN:].copy()
    frames[:, :, CLAMPED:-CLAMPED] = recording.vertices[:, GIVEN - 1 : GIVEN, CLAMPED:-CLAMPED]
    return frames


def straight_line(recording: Recording) -> Float[np.ndarray, "N P V 3"]:
    """A baseline: the free vertices divide the line between the clamps evenly."""
    frames = recording.vertices[:, GIVEN:].copy()
    count = frames.shape[2]
    share = np.linspace(0.0, 1.0, count - 2 * CLAMPED + 2)[1:-1, None]
    first, last = frames[:, :, CLAMPED - 1 : CLAMPED], frames[:, :, -CLAMPED : count - CLAMPED + 1]
    frames[:, :, CLAMPED:-CLAMPED] = first + share * (last - first)
    return frames


def carried_shape(recording: Recording) -> Float[np.ndarray, "N P V 3"]:
    """A baseline: the shape of the last given frame, shifted by what each clamp moved, shared out along the cable."""
    start = recording.vertices[:, GIVEN - 1 : GIVEN]
    frames = recording.vertices[:, GIVEN:].copy()
    count = frames.shape[2]
    share = np.linspace(0.0, 1.0, count - 2 * CLAMPED + 2)[1:-1, None]
    moved = frames - start
    first, last = moved[:, :, CLAMPED - 1 : CLAMPED], moved[:, :, -CLAMPED : count - CLAMPED + 1]
    frames[:, :, CLAMPED:-CLAMPED] = start[:, :, CLAMPED:-CLAMPED] + (1.0 - share) * first + share * last
    return frames
