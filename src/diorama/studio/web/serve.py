"""Starting the studio: the server, and the line that says where it is."""

import logging
import socket
from collections.abc import Callable

from diorama.core.errors import ConfigError
from diorama.recipes.book import Book
from diorama.studio.web.settings import Settings

FRAME_BYTES = 2**20
"""Largest message of a WebSocket [bytes]."""
_BACKLOG = 128


def serve(book: Book, settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until interrupted. Raises `ConfigError` where FastAPI is not installed or the address is taken."""
    uvicorn, create_app, services_of = needed()
    services = services_of(book, settings)
    app = create_app(services)
    services.warm()
    listening = listen(settings)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    say(f"studio: http://{shown}:{port}/  (Ctrl-C ends it)")
    config = uvicorn.Config(
        app,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=FRAME_BYTES,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
        lifespan="off",
    )
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def needed() -> tuple:
    """What the extra brings. Raises `ConfigError` that names it where it is not installed."""
    try:
        import uvicorn

        from diorama.studio.web.app import create_app
        from diorama.studio.web.services import Services
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("diorama"):
            raise
        raise ConfigError(f"The studio needs {error.name}: install it with `pip install 'diorama[studio]'`.") from error
    return uvicorn, create_app, Services


def listen(settings: Settings) -> socket.socket:
    """The socket of the settings' address. Raises `ConfigError` where it is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Without the protocol's name asyncio leaves small packets waiting for each other, 40 ms each.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((settings.host, settings.port))
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise ConfigError(
            f"The studio cannot listen on {settings.host} port {settings.port} ({error.strerror}); "
            "choose another with --port, or --port 0 for any free one."
        ) from error
    return made
