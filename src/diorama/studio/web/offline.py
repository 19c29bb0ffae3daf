"""A page as a file without a server: the application is asked in this process."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from diorama.core.errors import DataError
from diorama.recipes.book import Book
from diorama.studio.web.app import create_app
from diorama.studio.web.services import Services

IMAGINING_S = 300.0
"""How long a report waits for what a page shows beside reality [s]."""


def report_of(book: Book, path: str) -> str:
    """The page at ``path`` as one HTML file. Raises `DataError` where there is no such page."""
    services = Services(book)
    app = create_app(services)
    # A thread of its own, so that a caller may have a running event loop.
    with ThreadPoolExecutor(1) as pool:
        status, body = pool.submit(lambda: asyncio.run(_get(app, path))).result()
        if services.workshop.wait(IMAGINING_S):
            status, body = pool.submit(lambda: asyncio.run(_get(app, path))).result()
    if status != 200:
        raise DataError(f"The studio has no page {path} for this registry.")
    return body.decode()


async def _get(app: Any, path: str) -> tuple[int, bytes]:
    answered: list[dict[str, Any]] = []
    headers = [(b"host", b"localhost"), (b"accept", b"text/html")]
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http"}
    scope |= {"path": path, "raw_path": path.encode(), "query_string": b"report=1", "root_path": "", "headers": headers}
    scope |= {"client": ("127.0.0.1", 0), "server": ("localhost", 80)}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        answered.append(dict(message))

    await app(scope, receive, send)
    return answered[0]["status"], b"".join(message.get("body", b"") for message in answered)
