"""Lossless pictures: a small PNG writer, and a reader for what it writes (PyAV reads all other files).

Source: PNG specification, third edition, sections 5, 9 and 11.
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from diorama.core.errors import DataError
from diorama.data.guard import refusing, require

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPE = {1: 0, 3: 2, 4: 6}
_NONE, _SUB, _UP = 0, 1, 2


def encode_png(picture: np.ndarray, level: int = 4) -> bytes:
    """PNG bytes of a uint8 picture [H, W, C], C = 1, 3 or 4; every row is filtered against the row above."""
    height, width, channels = picture.shape
    rows = np.empty((height, 1 + width * channels), np.uint8)
    rows[:, 0] = _UP
    flat = picture.reshape(height, -1)
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPE[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), level)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(content: bytes, what: str) -> Iterator[tuple[bytes, bytes]]:
    position = len(_SIGNATURE)
    while position < len(content):
        (length,) = struct.unpack_from(">I", content, position)
        kind, body = content[position + 4 : position + 8], content[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", content, position + 8 + length)
        require(zlib.crc32(kind + body) == checksum, f"{what} has a wrong PNG checksum; restore it from a copy.")
        yield kind, body
        position += 12 + length
        if kind == b"IEND":
            return
    raise DataError(f"{what} is a PNG that stops early; restore it from a copy.")


def decode_picture(content: bytes, shape: tuple[int, int, int], what: str) -> np.ndarray:
    """The uint8 picture [H, W, C] in PNG (or, through PyAV, JPEG) bytes.

    Raises `DataError` where it is damaged or has another size than ``shape``; checks the size before it decodes.
    """
    if content.startswith(_SIGNATURE):
        with refusing(what):
            parts = list(_chunks(content, what))
            require(parts[0][0] == b"IHDR", f"{what} is a PNG without header; restore it from a copy.")
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", parts[0][1])
            require((height, width) == shape[:2], f"{what} is {height} x {width}, not {shape}; correct info.json.")
            if depth == 8 and not interlaced and colour == _COLOUR_TYPE[shape[2]]:
                data = b"".join(body for kind, body in parts if kind == b"IDAT")
                picture = _unfilter(data, shape, what)
                if picture is not None:
                    return picture
    from diorama.data.video import decode_still

    return decode_still(content, shape, what)


def _unfilter(data: bytes, shape: tuple[int, int, int], what: str) -> np.ndarray | None:
    """Undo filters None, Sub and Up; None where another filter is used."""
    height, width, channels = shape
    size = height * (1 + width * channels)
    raw = zlib.decompressobj().decompress(data, size + 1)
    require(len(raw) == size, f"{what} holds another number of pixels than its header says; restore it from a copy.")
    rows = np.frombuffer(raw, np.uint8).reshape(height, -1)
    kinds, body = rows[:, 0], rows[:, 1:]
    if (kinds == _UP).all():
        return np.cumsum(body, axis=0, dtype=np.uint8).reshape(shape)
    if (kinds > _UP).any():
        return None
    picture = np.empty(shape, np.uint8)
    above: np.ndarray | int = 0
    for k, (kind, row) in enumerate(zip(kinds, body.reshape(shape), strict=True)):
        picture[k] = np.cumsum(row, axis=0, dtype=np.uint8) if kind == _SUB else row
        if kind == _UP:
            picture[k] += np.uint8(above) if isinstance(above, int) else above
        above = picture[k]
    return picture
