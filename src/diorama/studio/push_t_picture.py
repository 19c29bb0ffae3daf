"""Push-T tables, drawn from the observation ``features`` or shown as the pictures they are: on axes, and in films.

Reality and imagination are drawn by the same painter. Colours are those of gym-pusht. A panel shows a track:
``features`` ``[T, 8]``, or pictures ``[T, H, W, 3]``.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon

from diorama.envs.pusht.coverage import coverage
from diorama.envs.pusht.geometry import DEFAULT_GOAL, DEFAULT_SCALE, TABLE, outline

_AGENT, _BLOCK, _GOAL = "#4169e1", "#778899", "#90ee90"
_RADIUS = 15.0
_PIXELS_PER_INCH = 100
_PANEL, _ABOVE, _BELOW = 2.4, 0.3, 0.3
"""Side of a panel and the space above and below it [inch]; every product with pixels per inch is even."""


class Table:
    """Push-T's table on axes: the goal, and block and agent where `show` puts them."""

    def __init__(self, axis: object, frame: str = "#d3d3d3") -> None:
        axis.set(xlim=(0, TABLE), ylim=(TABLE, 0), xticks=[], yticks=[], aspect="equal")
        axis.grid(False)
        for spine in axis.spines.values():
            spine.set(visible=True, color=frame, linewidth=1.0)
        axis.add_patch(
            Polygon(outline(np.array(DEFAULT_GOAL[:2]), np.array(DEFAULT_GOAL[2])), color=_GOAL, linewidth=0)
        )
        self._axis = axis
        self._block = axis.add_patch(Polygon(np.zeros((8, 2)), facecolor=_BLOCK, edgecolor="#55606b", linewidth=1.0))
        self._agent = axis.add_patch(Circle((0, 0), _RADIUS, facecolor=_AGENT, edgecolor="#27408b", linewidth=1.0))

    def show(self, features: np.ndarray) -> None:
        """Put block and agent where a row ``features`` [8] says they are."""
        self._block.set_xy(outline(features[4:6], _angle(features)))
        self._agent.center = tuple(features[:2])


class Screen:
    """A picture on axes."""

    def __init__(self, axis: Axes, first: np.ndarray) -> None:
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
        self._image = axis.imshow(np.zeros_like(first, np.uint8), extent=(0, TABLE, TABLE, 0), interpolation="nearest")

    def show(self, picture: np.ndarray) -> None:
        """Put another picture [H, W, 3] there."""
        self._image.set_data(np.clip(np.rint(picture), 0, 255).astype(np.uint8))


def _painter(axis: Axes, track: np.ndarray) -> Table | Screen:
    return Table(axis) if track.ndim == 2 else Screen(axis, track[0])


def strip(rows: Mapping[str, np.ndarray], times: np.ndarray) -> Figure:
    """Film strips one above the other; ``rows``: label to a track, at the K ``times`` [s]."""
    figure = Figure(figsize=(9.0, 0.25 + 1.33 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(times), squeeze=False)
    for line, (label, track) in zip(axes, rows.items(), strict=True):
        for axis, row in zip(line, track, strict=True):
            _painter(axis, track).show(row)
        line[0].set_ylabel(label)
    for axis, time in zip(axes[0], times, strict=True):
        axis.set_title(f"{time:.1f} s", fontsize=9)
    return figure


def film(panels: Mapping[str, np.ndarray], period: float, columns: int) -> np.ndarray:
    """Frames uint8 [T, H, W, 3] of panels that run side by side; ``panels``: title to track.

    All panels have the same T: frame k shows the time k * ``period`` [s] in each of them, and of ``features`` the
    coverage then.
    """
    rows = -(-len(panels) // columns)
    width, height = _PANEL * columns, (_PANEL + _ABOVE + _BELOW) * rows
    figure = Figure(figsize=(width, height), dpi=_PIXELS_PER_INCH, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    drawn = [_Panel(figure, k, columns, rows, title, track) for k, (title, track) in enumerate(panels.items())]
    canvas.draw()
    empty = canvas.copy_from_bbox(figure.bbox)
    frames = []
    for k in range(len(next(iter(panels.values())))):
        # Only what moves is drawn again.
        canvas.restore_region(empty)
        for panel in drawn:
            panel.draw(k, k * period)
        frames.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return np.stack(frames)


class _Panel:
    """One table of a film with its title above and its time and coverage below."""

    def __init__(self, figure: Figure, place: int, columns: int, rows: int, title: str, track: np.ndarray) -> None:
        row, column = divmod(place, columns)
        height = _PANEL + _ABOVE + _BELOW
        left, bottom = (column + 0.03) / columns, 1 - (row + 1 - _BELOW / height) / rows
        self._axis = figure.add_axes((left, bottom, 0.94 / columns, _PANEL / height / rows))
        self._axis.set_title(title, fontsize=9, pad=4)
        self._painter, self._track = _painter(self._axis, track), track
        self._text = self._axis.text(TABLE / 2, TABLE + 12, "", ha="center", va="top", fontsize=9, color="#444444")
        self._moving = [*self._axis.images, *self._axis.patches[1:], self._text]
        for artist in self._moving:
            artist.set_animated(True)
        self._said = [f"   coverage {100 * c:.0f} %" for c in covered(track)] if track.ndim == 2 else [""] * len(track)

    def draw(self, k: int, time: float) -> None:
        """Draw frame k."""
        self._painter.show(self._track[k])
        self._text.set_text(f"{time:.1f} s{self._said[k]}")
        for artist in self._moving:
            self._axis.draw_artist(artist)


def covered(features: np.ndarray) -> np.ndarray:
    """The share of the goal that the block covers in each row of ``features`` [T, 8], [T]."""
    scale = np.full(len(features), DEFAULT_SCALE)
    goal = np.broadcast_to(np.asarray(DEFAULT_GOAL), (len(features), 3))
    return coverage(np.asarray(features[:, 4:6], np.float64), _angle(features), goal, scale, scale)


def _angle(features: np.ndarray) -> np.ndarray:
    """The block's angle [rad] in rows of ``features``."""
    return np.asarray(np.arctan2(np.asarray(features[..., 7], np.float64), np.asarray(features[..., 6], np.float64)))
