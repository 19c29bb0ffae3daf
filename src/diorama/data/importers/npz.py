"""Two published sets of measurements as ``.npz``: tossed cubes and cables moved by robot arms.

Cube tosses: Pfrommer, Halm and Posa, "ContactNets", CoRL 2020. Each toss is an episode; nobody acts after release:
``action`` is one zero named ``no_action``, as the dataset format has no action of size 0.
Cables: Chen et al., "DEFORM", CoRL 2024. Two arms hold the first two and the last two vertices; the action is where
those four vertices are one frame later [m], so that action t leads to observation t + 1.
"""

import contextlib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from diorama.core.errors import DataError
from diorama.data.features import Feature
from diorama.data.importers.recording import EPISODE_BYTES, Episode, Format, Recording, reading

TOSS_FPS = 148.0
CABLE_FPS = 100.0
TOSS = {
    "position_m": Feature("float32", (3,), ("x_m", "y_m", "z_m")),
    "quaternion_wxyz": Feature("float32", (4,), ("w", "x", "y", "z")),
    "velocity_m_s": Feature("float32", (3,), ("x_m_s", "y_m_s", "z_m_s")),
    "angular_velocity_rad_s": Feature("float32", (3,), ("x_rad_s", "y_rad_s", "z_rad_s")),
}
COLUMNS = {
    "position_m": "observation.position",
    "quaternion_wxyz": "observation.quaternion",
    "velocity_m_s": "observation.velocity",
    "angular_velocity_rad_s": "observation.angular_velocity",
}
CLAMPED = (0, 1, -2, -1)
"""Vertices of a cable that the arms hold."""


class CubeTosses(Format):
    """``tosses.npz``: rows of all tosses one after another, cut by ``length``."""

    name = "cube-tosses-npz"

    def detects(self, path: Path) -> bool:
        """By the names of the arrays."""
        return {"toss_id", "length", *TOSS} <= _names(path)

    @contextlib.contextmanager
    def open(self, path: Path) -> Iterator[Recording]:
        """148 rows a second; SI units are in the names of each feature."""
        arrays = _load(path, {"toss_id": 1, "length": 1} | dict.fromkeys(TOSS, 2))
        lengths, rows = arrays["length"].astype(np.int64), len(arrays["position_m"])
        shapes = {key: arrays[key].shape for key in TOSS}
        fits = all(shape == (rows, *TOSS[key].shape) for key, shape in shapes.items())
        if not fits or len(arrays["toss_id"]) != len(lengths) or (lengths < 1).any() or lengths.sum() != rows:
            raise DataError(f"{path}: lengths add up to {lengths.sum()} and arrays have shapes {shapes}; inconsistent.")
        starts = np.cumsum(lengths) - lengths
        features = {COLUMNS[key]: feature for key, feature in TOSS.items()}
        features["action"] = Feature("float32", (1,), ("no_action",))

        def episodes() -> Iterator[Episode]:
            for toss, start, length in zip(arrays["toss_id"], starts, lengths, strict=True):
                columns = {COLUMNS[key]: arrays[key][start : start + length].astype(np.float32) for key in TOSS}
                columns["action"] = np.zeros((int(length), 1), np.float32)
                yield Episode(columns, "toss a cube", f"{path.name}#{int(toss)}")

        yield Recording(features, TOSS_FPS, len(lengths), episodes)


class CableMotionCapture(Format):
    """``dlo*.npz``: ``vertices_m [trajectories, frames, vertices, 3]``."""

    name = "cable-mocap-npz"

    def detects(self, path: Path) -> bool:
        """By the names of the arrays."""
        return {"trajectory_id", "vertices_m"} <= _names(path)

    @contextlib.contextmanager
    def open(self, path: Path) -> Iterator[Recording]:
        """100 frames a second; ``observation.vertices`` is x, y, z of each vertex in turn [m]."""
        arrays = _load(path, {"trajectory_id": 1, "vertices_m": 4})
        vertices, trajectories = arrays["vertices_m"], arrays["trajectory_id"]
        count = vertices.shape[2]
        if len(vertices) != len(trajectories) or vertices.shape[1] < 1 or vertices.shape[3] != 3 or count < 5:
            raise DataError(
                f"{path}: vertices_m has shape {vertices.shape} for {len(trajectories)} trajectories; refused."
            )
        features = {
            "observation.vertices": _vertex_feature(range(count)),
            "action": _vertex_feature([k % count for k in CLAMPED]),
        }

        def episodes() -> Iterator[Episode]:
            for trajectory, shape in zip(trajectories, vertices.astype(np.float32), strict=True):
                held = np.concatenate([shape[1:], shape[-1:]])[:, CLAMPED]
                rows = len(shape)
                columns = {"observation.vertices": shape.reshape(rows, -1), "action": held.reshape(rows, -1)}
                yield Episode(columns, "move a cable", f"{path.name}#{int(trajectory)}")

        yield Recording(features, CABLE_FPS, len(vertices), episodes)


def _vertex_feature(numbers: range | list[int]) -> Feature:
    names = tuple(f"vertex_{number}_{axis}_m" for number in numbers for axis in "xyz")
    return Feature("float32", (len(names),), names)


def _names(path: Path) -> set[str]:
    """Names of the arrays in an ``.npz`` file; none where it is no such file."""
    if not (path.is_file() and zipfile.is_zipfile(path)):
        return set()
    with contextlib.suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
        return {name.removesuffix(".npy") for name in archive.namelist()}
    return set()


def _load(path: Path, axes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The named arrays, which must be numeric, finite and have so many axes. Raises `DataError`."""
    with reading(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > EPISODE_BYTES:
            raise DataError(f"{path} unpacks to {size / 2**30:.0f} GiB; refused.")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in axes}
    for name, array in arrays.items():
        number = array.dtype.kind in "iuf" and array.ndim == axes[name]
        if not number or not np.isfinite(array).all() or array.size == 0:
            raise DataError(
                f"{path}: array {name} is {array.dtype} {array.shape} or not finite; restore it from a copy."
            )
    return arrays
