"""Files that the package ships: read once when the studio starts, so that no request ever names a file."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from diorama.studio.web.refusals import answer

FOLDERS = (Path(__file__).parent / "assets", Path(__file__).parent.parent / "play" / "assets")
"""Where assets lie: the studio's, and those of interactive play."""
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    """One file: its bytes, its media type and its entity tag."""

    content: bytes
    media_type: str
    tag: str


def load_assets() -> Mapping[str, Asset]:
    """Name to asset, for every style, script and picture of the package."""
    found = {}
    for path in (path for folder in FOLDERS if folder.is_dir() for path in sorted(folder.iterdir())):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            tag = hashlib.sha256(content).hexdigest()[:16]
            found[path.name] = Asset(content, _TYPES[path.suffix], tag)
    return found


def respond(assets: Mapping[str, Asset], name: str, request: Request) -> Response:
    """The asset, or 304 where the browser has it, or 404."""
    if name not in assets:
        return answer(404, "The studio has no such file.")
    asset = assets[name]
    headers = {"ETag": f'"{asset.tag}"', "Cache-Control": "private, max-age=31536000, immutable"}
    if request.query_params.get("v") != asset.tag:
        headers["Cache-Control"] = "private, no-cache"
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)
