"""A page as one file: the style inside, no script, no address that leads back to the studio."""

import re

from starlette.responses import HTMLResponse

CONTENT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The policy of such a file: its own style and pictures, and nothing else. It is not a page of the studio."""
_LINK = re.compile(r'(<a\b[^>]*?)\s(?:xlink:)?href="(?!#)[^"]*"')
_LOADED = re.compile(r'<(?:video|img|script|link)\b[^>]*\b(?:src|href)="/[^"]*"[^>]*>')


def as_report(text: str, path: str) -> HTMLResponse:
    """The response that a browser keeps as a file, named by its page."""
    words = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")[:60] or "home"
    headers = {
        "Content-Security-Policy": CONTENT,
        "Content-Disposition": f'attachment; filename="diorama-{words}.html"',
    }
    return HTMLResponse(self_contained(text), headers=headers)


def self_contained(text: str) -> str:
    """The page without addresses, and with its own content security policy."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{CONTENT}">'
    plain = _LOADED.sub("", _LINK.sub(r"\1", text))
    return plain.replace('<meta charset="utf-8">', f'<meta charset="utf-8">{policy}', 1)
