"""Saying no: one sentence, as JSON to programs and as a small page to people, and a close to a WebSocket."""

import html

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

POLICY_VIOLATION = 1008
"""Close code of a WebSocket that is refused (RFC 6455, 7.4.1)."""


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, sentence: str) -> None:
    """Answer a request with ``status`` and a sentence; close a WebSocket before it opens."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": sentence[:120]})
        return
    wanted = Headers(scope=scope).get("accept", "")
    await answer(status, sentence, "text/html" in wanted)(scope, receive, send)


def answer(status: int, sentence: str, as_page: bool = False) -> Response:
    """The response: a page that needs nothing else, or ``{"error": sentence}``."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if status in (429, 503):
        headers["Retry-After"] = "1"
    if not as_page:
        return JSONResponse({"error": sentence}, status, headers)
    text = html.escape(sentence)
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Diorama studio</title>'
        '<link rel="stylesheet" href="/assets/studio.css"></head><body><main class="alone">'
        f'<p class="eyebrow">{status}</p><h1>{text}</h1><p><a href="/">Back to the studio</a></p></main></body></html>'
    )
    return HTMLResponse(body, status, headers)
