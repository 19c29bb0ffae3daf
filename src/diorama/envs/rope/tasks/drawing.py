"""A small software renderer: rays against capsules and a floor, in NumPy, with shadows. No window, no driver, no GPU.

Everything that is drawn is a capsule: edges of rods, posts, rings, grippers (as balls). The floor has squares of 10 cm.
"""

from dataclasses import dataclass

import jax
import numpy as np

from diorama.envs.rope.shapes import Capsule
from diorama.envs.rope.tasks.task import Scene, Task

_UP = np.array([0.0, 0.0, 1.0])
_LIGHT = np.array([0.35, -0.45, 0.82])
_SKY = np.array([0.93, 0.95, 0.97])
_FLOORS = np.array([[0.80, 0.81, 0.82], [0.72, 0.73, 0.75]])
_MARK, _GRIPPER, _SHAPE = np.array([0.25, 0.62, 0.40]), np.array([0.20, 0.22, 0.28]), np.array([0.45, 0.48, 0.55])
_RODS = np.array([[0.86, 0.42, 0.16], [0.16, 0.45, 0.75], [0.55, 0.30, 0.62], [0.70, 0.60, 0.15]])
_SQUARE, _AMBIENT, _GRIPPER_RADIUS, _RIM, _FAR = 0.1, 0.45, 2.0, 0.006, 1e9


@dataclass(frozen=True)
class Camera:
    """From where to where [m], the whole vertical angle of view [degrees], and the size of the picture [px].

    Each pixel is the mean of ``fine`` times ``fine`` rays.
    """

    eye: tuple[float, float, float] = (0.25, -1.1, 0.8)
    target: tuple[float, float, float] = (0.2, 0.0, 0.05)
    angle: float = 40.0
    width: int = 320
    height: int = 240
    fine: int = 2


@dataclass(frozen=True)
class _Capsules:
    """N capsules: both ends [N, 3], radii [N], colours [N, 3]."""

    start: np.ndarray
    end: np.ndarray
    radius: np.ndarray
    colour: np.ndarray


def render(
    task: Task,
    scene: Scene,
    vertices: np.ndarray | None = None,
    camera: Camera | None = None,
    grips: tuple[tuple[int, ...], ...] | None = None,
) -> np.ndarray:
    """A picture [height, width, 3] uint8 of the scene, with its rods at ``vertices`` [V, 3] or where they are.

    Grippers are drawn where they hold the vertices ``grips``; where that is None, those of the task.
    """
    camera = camera or Camera()
    goal, scene = scene.goal, jax.tree.map(np.asarray, scene)
    place = scene.body.position if vertices is None else np.asarray(vertices).reshape(-1, 3)
    held = task.config.grips if grips is None else grips
    capsules, marks = _capsules(held, scene, place.astype(np.float64)), np.asarray(task.marks(goal))
    eye, rays = _rays(camera)
    colour = _seen(eye, rays, capsules, marks)
    fine = camera.fine
    squares = colour.reshape(camera.height, fine, camera.width, fine, 3).mean((1, 3))
    return np.rint(255.0 * np.clip(squares, 0.0, 1.0)).astype(np.uint8)


def _capsules(grips: tuple[tuple[int, ...], ...], scene: Scene, place: np.ndarray) -> _Capsules:
    present = scene.rod.present > 0.0
    number = np.cumsum(~present)[present]
    first, second = place[: len(present)][present], np.roll(place, -1, 0)[: len(present)][present]
    size = np.full(len(first), float(scene.rod.radius))
    posts = [shape for shape in scene.around.shapes if isinstance(shape, Capsule)]
    held = np.array([place[list(grip)].mean(0) for grip in grips]).reshape(-1, 3)
    balls = np.full(len(held), _GRIPPER_RADIUS * float(scene.rod.radius))
    sides = [np.array([getattr(post, end) for post in posts]).reshape(-1, 3) for end in ("start", "end")]
    return _Capsules(
        np.concatenate([first, sides[0], held]),
        np.concatenate([second, sides[1], held]),
        np.concatenate([size, [float(post.radius) for post in posts], balls]),
        np.concatenate(
            [_RODS[number % len(_RODS)], np.tile(_SHAPE, (len(posts), 1)), np.tile(_GRIPPER, (len(held), 1))]
        ),
    )


def placed(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Where points [N, 3] (m) are in the picture: column and row [N, 2] (px)."""
    eye, ahead, right, above = _axes(camera)
    away = points - eye
    scale = 0.5 * camera.height / np.tan(np.deg2rad(0.5 * camera.angle)) / (away @ ahead)
    return np.stack([0.5 * camera.width + scale * (away @ right), 0.5 * camera.height - scale * (away @ above)], -1)


def _axes(camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The eye, and unit vectors ahead, to the right and upwards."""
    eye = np.array(camera.eye, np.float64)
    ahead = np.array(camera.target) - eye
    ahead = ahead / np.linalg.norm(ahead)
    right = np.cross(ahead, _UP)
    right = right / np.linalg.norm(right)
    return eye, ahead, right, np.cross(right, ahead)


def _rays(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Where all rays start [3], and their directions [P, 3], row by row from the top left."""
    eye, ahead, right, above = _axes(camera)
    wide, high = camera.width * camera.fine, camera.height * camera.fine
    half = np.tan(np.deg2rad(0.5 * camera.angle))
    x = (np.arange(wide) + 0.5 - 0.5 * wide) * 2.0 * half / high
    y = (0.5 * high - 0.5 - np.arange(high)) * 2.0 * half / high
    rays = ahead + x[None, :, None] * right + y[:, None, None] * above
    return eye, (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).reshape(-1, 3)


def _seen(eye: np.ndarray, rays: np.ndarray, capsules: _Capsules, marks: np.ndarray) -> np.ndarray:
    """The colour of each ray."""
    starts = np.broadcast_to(eye, rays.shape)
    distance, which = _nearest(starts, rays, capsules)
    down = rays[:, 2] < -1e-6
    floor = np.where(down, -eye[2] / np.where(down, rays[:, 2], -1.0), _FAR)
    colour = np.broadcast_to(_SKY, rays.shape).copy()
    hit = distance < np.minimum(floor, _FAR)
    at = eye + distance[hit, None] * rays[hit]
    bright = _AMBIENT + (1.0 - _AMBIENT) * np.maximum(_normals(at, which[hit], capsules) @ _LIGHT, 0.0)
    colour[hit] = capsules.colour[which[hit]] * bright[:, None]
    ground = ~hit & (floor < _FAR)
    at = eye + floor[ground, None] * rays[ground]
    dark = _nearest(at, np.broadcast_to(_LIGHT, at.shape), capsules)[0] < _FAR
    colour[ground] = _painted(at, marks) * np.where(dark, 0.6, 1.0)[:, None]
    return colour


def _painted(at: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """The colour of the floor at points [P, 3]; ``marks`` are circles [M, 3] of x, y and radius."""
    square = (np.floor(at[:, 0] / _SQUARE) + np.floor(at[:, 1] / _SQUARE)).astype(int) % 2
    colour = _FLOORS[square]
    for x, y, radius in marks:
        away = np.hypot(at[:, 0] - x, at[:, 1] - y)
        colour = np.where((np.abs(away - radius) < 0.5 * _RIM)[:, None], _MARK, colour)
    return colour


def _normals(at: np.ndarray, which: np.ndarray, capsules: _Capsules) -> np.ndarray:
    start, axis = capsules.start[which], (capsules.end - capsules.start)[which]
    square = np.maximum(np.sum(axis**2, -1), 1e-18)
    share = np.clip(np.sum((at - start) * axis, -1) / square, 0.0, 1.0)
    return (at - start - share[:, None] * axis) / capsules.radius[which, None]


def _nearest(starts: np.ndarray, rays: np.ndarray, capsules: _Capsules) -> tuple[np.ndarray, np.ndarray]:
    """How far along each ray [P] the first capsule is (`_FAR`: none), and which one it is."""
    best, which = np.full(len(rays), _FAR), np.zeros(len(rays), int)
    along, square = np.sum(starts * rays, -1), np.sum(starts**2, -1)
    for number, (start, end, radius) in enumerate(zip(capsules.start, capsules.end, capsules.radius, strict=True)):
        middle, reach = 0.5 * (start + end), 0.5 * np.linalg.norm(end - start) + radius
        ahead = rays @ middle - along
        aside = square - 2.0 * (starts @ middle) + middle @ middle - ahead**2
        near = np.flatnonzero((aside < reach**2) & (ahead > -reach))
        if len(near):
            found = _hit(starts[near], rays[near], start, end, radius)
            nearer = found < best[near]
            best[near[nearer]], which[near[nearer]] = found[nearer], number
    return best, which


def _hit(starts: np.ndarray, rays: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """How far along each ray one capsule is: its side where that is between the ends, else the balls at its ends."""
    found = np.minimum(_ball(starts, rays, start, radius), _ball(starts, rays, end, radius))
    size = np.linalg.norm(end - start)
    if size < 1e-9:
        return found
    axis, apart = (end - start) / size, starts - start
    across, off = (part - (part @ axis)[:, None] * axis for part in (rays, apart))
    first = _smaller_root(np.sum(across**2, -1), np.sum(across * off, -1), np.sum(off**2, -1) - radius**2)
    height = (apart + np.where(first < _FAR, first, 0.0)[:, None] * rays) @ axis
    return np.minimum(found, np.where((height >= 0.0) & (height <= size), first, _FAR))


def _ball(starts: np.ndarray, rays: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    off = starts - centre
    return _smaller_root(np.ones(len(rays)), np.sum(rays * off, -1), np.sum(off**2, -1) - radius**2)


def _smaller_root(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The smaller solution of ``a t^2 + 2 b t + c = 0`` where it is positive, else `_FAR`."""
    inside = b**2 - a * c
    good = (inside > 0.0) & (a > 1e-12)
    root = (-b - np.sqrt(np.where(good, inside, 0.0))) / np.where(good, a, 1.0)
    return np.where(good & (root > 1e-6), root, _FAR)
