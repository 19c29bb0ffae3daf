"""Parts of files over HTTP, for players that seek: single byte ranges (RFC 9110, section 14)."""

import re
from collections.abc import Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from diorama.studio.web.refusals import answer

_ONE = re.compile(r"bytes=(\d*)-(\d*)")
_PIECE, _MOST = 2**16, 8 * 2**20
_TYPES = {".mp4": "video/mp4", ".webm": "video/webm", ".gif": "image/gif", ".png": "image/png"}


def serve_file(request: Request, path: Path) -> Response:
    """A file of ours, or the part of it that is asked for; parts are at most 8 MiB, as players ask again."""
    try:
        size = path.stat().st_size
    except OSError:
        return answer(404, "This file is not here any more.")
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600"}
    media_type = _TYPES.get(path.suffix, "application/octet-stream")
    asked = request.headers.get("range")
    if asked is None:
        headers["Content-Length"] = str(size)
        return StreamingResponse(_pieces(path, 0, size), media_type=media_type, headers=headers)
    part = part_of(asked, size)
    if part is None:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    start, stop = part
    headers |= {"Content-Range": f"bytes {start}-{stop - 1}/{size}", "Content-Length": str(stop - start)}
    return StreamingResponse(_pieces(path, start, stop), 206, headers, media_type)


def part_of(asked: str, size: int) -> tuple[int, int] | None:
    """The half-open range of bytes that a ``Range`` header means; None where it cannot be satisfied."""
    match = _ONE.fullmatch(asked.strip())
    if match is None or match[0] == "bytes=-" or size == 0:
        return None
    if not match[1]:
        wanted = int(match[2][:18])
        return (max(0, size - wanted), size) if wanted else None
    start = int(match[1][:18])
    stop = min(int(match[2][:18]) + 1, size) if match[2] else size
    return (start, min(stop, start + _MOST)) if start < stop else None


def _pieces(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = stop - start
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece
