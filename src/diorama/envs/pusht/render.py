"""Images of Push-T, drawn in NumPy for many worlds at a time.

Every shape is a signed distance, turned into an opacity with a soft edge; only the small windows around agent and
block are drawn anew, over a background that holds goal and walls. Colours, widths and the order of layers are those of
gym-pusht's image of 96 x 96 pixels (drawn there with hard edges at 512 x 512 and shrunk bilinearly); the red marks that
it leaves at contacts are not drawn.
"""

from functools import cache

import numpy as np

from diorama.envs.pusht.geometry import TABLE, UNIT_BOXES, UNIT_REACH, centre_of_gravity

SIZE = 96
"""Height and width of the image [image pixels]."""
AGENT_COLOUR, BLOCK_COLOUR = (65.0, 105.0, 225.0), (119.0, 136.0, 153.0)
GOAL_COLOUR, BACKGROUND_COLOUR = (144.0, 238.0, 144.0), (255.0, 255.0, 255.0)

_WALL_COLOUR = (211.0, 211.0, 211.0)
_WALL_LOW, _WALL_HIGH = 5.0, 506.0
_LINE = 2.5  # half the width of walls and of the block's outline [px]; hard pixels count to their far side
_RING = 4.0  # width of the agent's ring [px]
_EDGE = 1.0  # width of a soft edge [px]; wider is smoother, and farther from gym-pusht's image
_LIGHTER = 1.2


def pixel_positions() -> np.ndarray:
    """Where on the table [px] the centre of each image column (or row) lies, [96] float32."""
    return ((np.arange(SIZE) + 0.5) * (TABLE / SIZE) - 0.5).astype(np.float32)


def shrunk(pictures: np.ndarray, side: int) -> np.ndarray:
    """Pictures [N, 96, 96, 3] uint8 at ``side`` x ``side``: each pixel is the mean over the area that it covers."""
    if side == SIZE:
        return pictures
    share = _shares(side)
    rows = np.einsum("ij,njkc->nikc", share, pictures.astype(np.float32), optimize=True)
    sums = np.einsum("ij,nkjc->nkic", share, rows, optimize=True).astype(np.int32)
    return ((sums + SIZE**2 // 2) // SIZE**2).astype(np.uint8)


@cache
def _shares(side: int) -> np.ndarray:
    """How many 96ths of each of ``side`` pixels in a line each of the 96 drawn ones covers, float32 [side, 96].

    They are whole numbers, and so are their sums of bytes, which float32 holds exactly in any order of adding.
    """
    edges, drawn = np.arange(side + 1) * SIZE, np.arange(SIZE) * side
    overlap = np.minimum(edges[1:, None], drawn + side) - np.maximum(edges[:-1, None], drawn)
    return np.maximum(overlap, 0).astype(np.float32)


class Renderer:
    """Draws worlds that share goals and colours; made once for each reset.

    ``goal_pose`` is [M, 3] (x [px], y [px], angle [rad]), ``goal_scale`` [M] in pixels, colours are [M, 3] in 0 to 255;
    M is 1 (the same for all worlds) or the number of worlds.
    """

    def __init__(
        self,
        goal_pose: np.ndarray,
        goal_scale: np.ndarray,
        *,
        agent_colour: np.ndarray,
        block_colour: np.ndarray,
        goal_colour: np.ndarray,
        background_colour: np.ndarray,
    ):
        self._agent_colours = _shades(agent_colour)
        self._block_colours = _shades(block_colour)
        self._background = _background(goal_pose, goal_scale, goal_colour, background_colour)

    def __call__(
        self,
        agent_xy: np.ndarray,
        agent_radius: np.ndarray,
        block_xy: np.ndarray,
        block_angle: np.ndarray,
        block_scale: np.ndarray,
    ) -> np.ndarray:
        """Images [N, 96, 96, 3] uint8 of agents [N, 2] with radii [N] and blocks [N, 2] with angles and scales [N]."""
        frames = np.array(np.broadcast_to(self._background, (len(agent_xy), SIZE, SIZE, 3)))
        middle = centre_of_gravity(block_xy, block_angle, block_scale)
        window = _Window(middle, UNIT_REACH * float(np.max(block_scale)) + _LINE + _EDGE)
        window.paint(frames, _tee(window, block_xy, block_angle, block_scale), self._block_colours)
        radius = np.asarray(agent_radius, np.float32)
        window = _Window(agent_xy, float(radius.max()) + _EDGE)
        window.paint(frames, _disc(window, agent_xy, radius), self._agent_colours)
        return frames


class _Window:
    """A square of image pixels around a point of each world, moved inside the image."""

    def __init__(self, centre: np.ndarray, reach: float):
        pixel = TABLE / SIZE
        side = min(SIZE, int(np.ceil(2 * reach / pixel)) + 1)
        corner = np.floor((np.asarray(centre) - reach) / pixel).astype(np.int64)
        columns, rows = np.moveaxis(np.clip(corner, 0, SIZE - side)[:, None, :] + np.arange(side)[:, None], -1, 0)
        self._where = (np.arange(len(columns))[:, None, None], rows[:, :, None], columns[:, None, :])
        positions = pixel_positions()
        self.x, self.y = positions[columns][:, None, :], positions[rows][:, :, None]

    def paint(
        self, frames: np.ndarray, opacity: tuple[np.ndarray, np.ndarray], colours: tuple[np.ndarray, np.ndarray]
    ) -> None:
        """Lay the two shades of a body, whose ``opacity`` are [N, side, side], over ``frames`` in place."""
        (dark, light), (dark_colour, light_colour) = opacity, colours
        under = frames[self._where].astype(np.float32)
        under *= (1.0 - dark - light)[..., None]
        under += dark[..., None] * dark_colour + light[..., None] * light_colour
        under += np.float32(0.5)
        frames[self._where] = under.astype(np.uint8)


def _shades(colour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outline and fill colour, [M, 1, 1, 3]: gym-pusht fills a body with a lighter shade of its own colour."""
    dark = np.asarray(colour, np.float32)[:, None, None, :]
    return dark, np.round(np.minimum(dark * _LIGHTER, 255.0))


def _opacity(distance: np.ndarray) -> np.ndarray:
    """1 inside a shape, 0 outside, soft over the width of an edge; ``distance`` [px] is negative inside."""
    return np.minimum(np.maximum(np.float32(0.5) - distance * np.float32(1.0 / _EDGE), 0.0), 1.0)


def _boxes(
    x: np.ndarray, y: np.ndarray, position: np.ndarray, angle: np.ndarray, scale: np.ndarray
) -> list[np.ndarray]:
    """Signed distances [N, H, W] of points to bar and stem (exact along the sides, square at the corners)."""
    shape = (-1, 1, 1)
    cosine, sine = np.cos(angle).astype(np.float32).reshape(shape), np.sin(angle).astype(np.float32).reshape(shape)
    away_x = x - position[:, 0].astype(np.float32).reshape(shape)
    away_y = y - position[:, 1].astype(np.float32).reshape(shape)
    along, across = away_x * cosine + away_y * sine, away_y * cosine - away_x * sine
    size = np.asarray(scale, np.float32).reshape(shape)
    return [
        np.maximum(
            np.abs(along) - size * np.float32(high[0]),
            np.abs(across - size * np.float32((low[1] + high[1]) / 2)) - size * np.float32((high[1] - low[1]) / 2),
        )
        for low, high in UNIT_BOXES.tolist()
    ]


def _tee(window: _Window, position: np.ndarray, angle: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Opacity of outline and fill of the block; the bar lies over the stem."""
    bar, stem = _boxes(window.x, window.y, position, angle, scale)
    outline, fill = 0.0, 0.0
    for part in (stem, bar):
        body, core = _opacity(part - np.float32(_LINE)), _opacity(part + np.float32(_LINE))
        outline = outline * (1.0 - body) + (body - core)
        fill = fill * (1.0 - body) + core
    return outline, fill


def _disc(window: _Window, position: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Opacity of ring and core of the agent."""
    x, y = (position[:, i].astype(np.float32)[:, None, None] for i in (0, 1))
    distance = np.sqrt((window.x - x) ** 2 + (window.y - y) ** 2) - radius[:, None, None]
    core = _opacity(distance + np.float32(_RING))
    return _opacity(distance) - core, core


def _background(
    goal_pose: np.ndarray, goal_scale: np.ndarray, goal_colour: np.ndarray, colour: np.ndarray
) -> np.ndarray:
    """Table, goal and walls, [M, 96, 96, 3] uint8."""
    positions = pixel_positions()
    x, y = positions[None, None, :], positions[None, :, None]
    bar, stem = _boxes(x, y, goal_pose[:, :2], goal_pose[:, 2], goal_scale)
    goal = _opacity(np.minimum(bar, stem) - np.float32(0.5))[..., None]
    middle, half = (_WALL_HIGH + _WALL_LOW) / 2, (_WALL_HIGH - _WALL_LOW) / 2
    ring = np.abs(np.maximum(np.abs(x - middle), np.abs(y - middle)) - half)
    wall = _opacity((ring - _LINE).astype(np.float32))[..., None]
    picture = np.asarray(colour, np.float32)[:, None, None, :] * (1.0 - goal)
    picture = picture + np.asarray(goal_colour, np.float32)[:, None, None, :] * goal
    picture = picture * (1.0 - wall) + np.float32(_WALL_COLOUR) * wall
    return (picture + 0.5).astype(np.uint8)
