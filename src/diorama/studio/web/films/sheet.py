"""Frames on one sheet: rows are tracks, columns are moments; a PNG and what is needed to play it."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

COLUMNS = 40
"""Tiles beside each other; more moments go on in further lines."""
_LARGEST_SIDE = 256
_TILE, _FINER = 160, 3
"""Side of a drawn table [pixels], and how much finer it is drawn before it is shrunk."""
_AGENT, _BLOCK, _GOAL, _EDGE, _AGENT_RADIUS = "#4169e1", "#778899", "#90ee90", "#55606b", 15.0


@dataclass(frozen=True)
class Sheet:
    """``tracks`` one after the other, each ``frames`` tiles of ``width`` x ``height`` pixels, ``columns`` in a line.

    Tile k of track j is at line ``j * lines + k // columns``, column ``k % columns``. ``period`` [s] between frames.
    """

    tracks: tuple[str, ...]
    frames: int
    width: int
    height: int
    columns: int
    lines: int
    period: float
    png: bytes

    def layout(self) -> dict[str, object]:
        """All but the picture, as JSON values."""
        return {
            "tracks": list(self.tracks),
            "frames": self.frames,
            "width": self.width,
            "height": self.height,
            "columns": self.columns,
            "lines": self.lines,
            "period": self.period,
        }


def sheet_of(tracks: Mapping[str, np.ndarray], period: float, columns: int = COLUMNS) -> Sheet:
    """The sheet of tracks: label to frames uint8 [T, H, W, 3], all of one T, H and W."""
    # Pillow comes with Matplotlib.
    from PIL import Image

    names, frames = tuple(tracks), [_fitting(one) for one in tracks.values()]
    count, height, width, _ = frames[0].shape
    columns = min(columns, count)
    lines = -(-count // columns)
    held = np.full((len(names) * lines * height, columns * width, 3), 255, np.uint8)
    for track, pictures in enumerate(frames):
        for k, picture in enumerate(pictures):
            top, left = (track * lines + k // columns) * height, (k % columns) * width
            held[top : top + height, left : left + width] = picture
    file = io.BytesIO()
    image = Image.fromarray(held)
    colours = image.getcolors(4096)
    image = image.quantize(64, dither=Image.Dither.NONE) if colours is not None else image
    image.save(file, "PNG", optimize=False, compress_level=6)
    return Sheet(names, count, width, height, columns, lines, float(period), file.getvalue())


def strip_address(sheet: Sheet, moments: int = 8) -> str:
    """A film strip of a sheet as a ``data:`` address: its tracks one above the other, at evenly spaced moments."""
    from PIL import Image

    whole = Image.open(io.BytesIO(sheet.png)).convert("RGB")
    chosen = np.unique(np.linspace(0, sheet.frames - 1, moments).astype(int))
    strip = Image.new("RGB", (len(chosen) * sheet.width, len(sheet.tracks) * sheet.height), "white")
    for track in range(len(sheet.tracks)):
        for place, k in enumerate(int(one) for one in chosen):
            left, top = k % sheet.columns * sheet.width, (track * sheet.lines + k // sheet.columns) * sheet.height
            tile = whole.crop((left, top, left + sheet.width, top + sheet.height))
            strip.paste(tile, (place * sheet.width, track * sheet.height))
    file = io.BytesIO()
    strip.quantize(64, dither=Image.Dither.NONE).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def paint_table(features: np.ndarray) -> np.ndarray:
    """Push-T's table for rows ``features`` [T, 8]: uint8 [T, 160, 160, 3], in the colours of the environment."""
    from PIL import Image, ImageDraw

    from diorama.envs.pusht.geometry import DEFAULT_GOAL, TABLE, outline

    rows, zoom = np.asarray(features, np.float64), _TILE * _FINER / TABLE
    empty = Image.new("RGB", (_TILE * _FINER, _TILE * _FINER), "white")
    goal = outline(np.asarray(DEFAULT_GOAL[:2], np.float64), np.asarray(DEFAULT_GOAL[2], np.float64))
    ImageDraw.Draw(empty).polygon(_scaled(goal, zoom), fill=_GOAL)
    frames = np.empty((len(rows), _TILE, _TILE, 3), np.uint8)
    for k, row in enumerate(rows):
        picture = empty.copy()
        pen = ImageDraw.Draw(picture)
        block = outline(row[4:6], np.arctan2(row[7], row[6]))
        pen.polygon(_scaled(block, zoom), fill=_BLOCK, outline=_EDGE, width=2)
        x, y, reach = row[0] * zoom, row[1] * zoom, _AGENT_RADIUS * zoom
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=_AGENT)
        frames[k] = np.asarray(picture.resize((_TILE, _TILE), Image.Resampling.BOX))
    return frames


def _scaled(points: np.ndarray, zoom: float) -> list[tuple[float, float]]:
    return [(float(x) * zoom, float(y) * zoom) for x, y in np.asarray(points)]


def is_table(names: Sequence[str], width: int) -> bool:
    """Whether an observation is Push-T's ``features``, which can be drawn."""
    return "features" in names and width == 8


def _fitting(frames: np.ndarray) -> np.ndarray:
    """Frames not larger than what a sheet takes, by leaving out pixels."""
    frames = np.asarray(frames)
    stride = max(1, -(-max(frames.shape[1:3]) // _LARGEST_SIDE))
    colour = frames[:, ::stride, ::stride]
    return np.repeat(colour, 3, axis=-1) if colour.shape[-1] == 1 else colour[..., :3]
