"""How a world is shown to a browser: vectors that it draws itself, or a picture."""

import abc
import io
from typing import Any, final

import numpy as np
from PIL import Image

from diorama.core import EnvSpec
from diorama.data.png import encode_png
from diorama.envs.pusht.coverage import coverage_of_one
from diorama.envs.pusht.geometry import DEFAULT_GOAL, DEFAULT_SCALE, TABLE, UNIT_OUTLINE, wrap_angle
from diorama.envs.pusht.physics import DEFAULT_RADIUS
from diorama.studio.play.push_t import completed, is_push_t, pose_of
from diorama.studio.play.scenes import Observation, Scene

_SIGNALS = 24
_LOSSLESS = 160
"""Largest side of a picture that is sent without loss [pixels]."""


class View(abc.ABC):
    """Shows the scenes of one world."""

    @property
    @abc.abstractmethod
    def about(self) -> dict[str, Any]:
        """What the browser needs to know once, as JSON values: the ``kind``, and sizes."""

    @abc.abstractmethod
    def numbers(self, scene: Scene) -> dict[str, Any]:
        """What is drawn of a scene, as JSON values."""

    @abc.abstractmethod
    def picture(self, scene: Scene) -> bytes | None:
        """The scene as a PNG or JPEG; None where numbers are enough."""


@final
class TableView(View):
    """Push-T: the browser draws tee, agent and goal from five numbers, sharp at every size."""

    @property
    def about(self) -> dict[str, Any]:
        """See `View`: lengths in pixels of the table."""
        outline = (UNIT_OUTLINE * DEFAULT_SCALE).tolist()
        return {"kind": "table", "side": TABLE, "outline": outline, "goal": DEFAULT_GOAL, "radius": DEFAULT_RADIUS}

    def numbers(self, scene: Scene) -> dict[str, Any]:
        """See `View`: ``pose``, ``coverage`` of the goal, poses of ``others`` and the ``spread`` of all blocks [px]."""
        pose = pose_of(scene.observation)
        covered = coverage_of_one(pose[2:].tolist(), list(DEFAULT_GOAL), DEFAULT_SCALE, DEFAULT_SCALE)
        shown = {"pose": _short(pose, 2), "coverage": round(float(covered), 4)}
        if scene.others is None:
            return shown
        others = pose_of(scene.others)
        blocks = np.concatenate([pose[None, 2:4], others[:, 2:4]])
        spread = np.sqrt(((blocks - blocks.mean(axis=0)) ** 2).sum(axis=1).mean())
        return shown | {"others": _short(others, 1), "spread": round(float(spread), 2)}

    def picture(self, scene: Scene) -> None:
        """See `View`."""


@final
class PictureView(View):
    """A world that shows pictures: all its cameras side by side."""

    def __init__(self, spec: EnvSpec) -> None:
        shapes = {name: array.shape for name, array in spec.observation.items() if is_picture(array.shape)}
        height = max(shape[0] for shape in shapes.values())
        self._names = sorted(name for name, shape in shapes.items() if shape[0] == height)
        self._height, self._width = height, sum(shapes[name][1] for name in self._names)
        self._table = is_push_t(spec)

    @property
    def about(self) -> dict[str, Any]:
        """See `View`."""
        return {"kind": "picture", "height": self._height, "width": self._width, "table": self._table}

    def numbers(self, scene: Scene) -> dict[str, Any]:
        """See `View`: none."""
        return {}

    def picture(self, scene: Scene) -> bytes:
        """See `View`."""
        return encoded(np.concatenate([scene.observation[name] for name in self._names], axis=1))


@final
class SignalView(View):
    """Any other world: the browser plots its numbers over time."""

    def __init__(self, spec: EnvSpec) -> None:
        self._names = [name for name, array in spec.observation.items() if not is_picture(array.shape)]
        arrays = [spec.observation[name] for name in self._names]
        labels = [f"{n} {x}" for n, a in zip(self._names, arrays, strict=True) for x in a.names or range(a.size)]
        units = [array.unit for array in arrays for _ in range(array.size)]
        self._labels, self._units = labels[:_SIGNALS], units[:_SIGNALS]
        self._all = len(labels)

    @property
    def about(self) -> dict[str, Any]:
        """See `View`: a label and a unit for each signal, and how many there are in all."""
        return {"kind": "signals", "labels": self._labels, "units": self._units, "all": self._all}

    def numbers(self, scene: Scene) -> dict[str, Any]:
        """See `View`: ``values``."""
        flat = np.concatenate([np.ravel(scene.observation[name]) for name in self._names])
        return {"values": [float(f"{value:.5g}") for value in flat[:_SIGNALS]]}

    def picture(self, scene: Scene) -> None:
        """See `View`."""


def view_of(spec: EnvSpec) -> View:
    """The sharpest view of a world."""
    if is_push_t(spec) and {"features", "state"} & set(spec.observation):
        return TableView()
    if any(is_picture(array.shape) for array in spec.observation.values()):
        return PictureView(spec)
    return SignalView(spec)


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether an observation of this shape is a picture."""
    return len(shape) == 3 and shape[2] in (1, 3, 4)


def encoded(picture: np.ndarray) -> bytes:
    """A picture [H, W, C] uint8 as PNG where it is small, else as JPEG."""
    if max(picture.shape[:2]) <= _LOSSLESS or picture.shape[2] != 3:
        return encode_png(np.ascontiguousarray(picture), 1)
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "JPEG", quality=85)
    return held.getvalue()


def apart(ours: Observation, theirs: Observation, spec: EnvSpec) -> dict[str, float]:
    """How far two worlds are from one another, in units that can be read.

    Tables: the distance of the blocks [px] and the angle between them [deg]. Pictures: the mean difference of levels.
    Other vectors: the root mean square difference over all entries that both show.
    """
    if is_push_t(spec):
        first, second = pose_of(ours), pose_of(theirs)
        if first is not None and second is not None:
            return _between_poses(first, second)
        theirs = completed(theirs, {name: spec.observation[name] for name in ours})
    shared = [n for n in ours if n in theirs and np.shape(ours[n]) == np.shape(theirs[n])]
    pictures = [n for n in shared if is_picture(np.shape(ours[n]))]
    if pictures:
        gaps = [np.abs(ours[n].astype(np.float32) - theirs[n].astype(np.float32)).mean() for n in pictures]
        return {"levels": round(float(np.mean(gaps)), 3)}
    flat = [np.ravel(np.asarray(ours[n], np.float64) - np.asarray(theirs[n], np.float64)) for n in shared]
    return {"rms": float(f"{np.sqrt(np.mean(np.concatenate(flat) ** 2)):.5g}")} if flat else {}


def _between_poses(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    away, turned = np.hypot(*(first - second)[2:4]), wrap_angle((first - second)[4:5])
    return {"px": round(float(away), 2), "deg": round(abs(float(np.degrees(turned[0]))), 2)}


def _short(values: np.ndarray, digits: int) -> list[Any]:
    return np.round(values, digits).tolist()
