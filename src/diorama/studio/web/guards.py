"""What stands around the whole application: headers of every answer, the size of requests, how many there may be."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diorama.studio.web.refusals import refuse
from diorama.studio.web.settings import Limits

LOG = logging.getLogger("diorama.studio")
CONTENT = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
"""The content security policy: nothing but our own files, and no script or style inside a page."""
HEADERS = {
    "Content-Security-Policy": CONTENT,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cache-Control": "no-store",
}
"""What every answer carries unless it says otherwise itself."""
_CLIENTS = 4096


class Envelope:
    """Adds `HEADERS` to every answer, and turns an error that nobody expected into one sentence."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its answer."""
        begun = False

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except Exception:
            if scope["type"] != "http":
                raise
            # The path may name what was asked for; headers, cookies and bodies may hold secrets and stay out.
            LOG.exception("%s %s broke", scope["method"], scope["path"])
            if not begun:
                sentence = "Something broke inside the studio; its terminal says what. Nothing was changed."
                await refuse(scope, receive, with_headers, 500, sentence)


class Bounds:
    """Refuses requests that are too large, too long or too many."""

    def __init__(self, app: ASGIApp, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._limits = app, limits
        self._bucket = Buckets(limits.burst, limits.rate, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on where it is within bounds, and refuse it otherwise."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif not self._bucket.take(client_of(scope)):
            await refuse(scope, receive, send, 429, "These are too many requests at once; wait a second.")
        elif len(scope.get("raw_path") or b"") + len(scope["query_string"]) > self._limits.address:
            await refuse(scope, receive, send, 414, "This address is too long.")
        else:
            await self._bounded(scope, receive, send)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = Headers(scope=scope).get("content-length", "0")
        too_large = f"A request may hold at most {self._limits.body} bytes."
        if not said.isdigit():
            await refuse(scope, receive, send, 400, "Content-Length is no number.")
            return
        if int(said) > self._limits.body:
            await refuse(scope, receive, send, 413, too_large)
            return
        reading = _Counted(receive, send, self._limits.body)
        try:
            await self._app(scope, reading.receive, reading.send)
        except TooLargeError:
            # What was above us may also have answered it in its own words; those were held back.
            pass
        if reading.over and not reading.begun:
            await refuse(scope, receive, send, 413, too_large)


class TooLargeError(Exception):
    """A body without a length turned out to be larger than allowed."""


class _Counted:
    """The two ends of one request: counts what comes in, and holds back the answer to what was too large."""

    def __init__(self, receive: Receive, send: Send, most: int) -> None:
        self._receive, self._send, self._most = receive, send, most
        self._seen, self.over, self.begun = 0, False, False

    async def receive(self) -> Message:
        """The next part of the request. Raises `TooLargeError`."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self._most:
                self.over = True
                raise TooLargeError
        return message

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on."""
        if not self.over or self.begun:
            self.begun = True
            await self._send(message)


class Buckets:
    """A token bucket for each client; those that were seen longest ago are forgotten first."""

    def __init__(self, burst: int, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._rate, self._clock = float(burst), rate, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> bool:
        """Take one from the client's bucket; False where it is empty."""
        now = self._clock()
        left, then = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + self._rate * (now - then))
        allowed = left >= 1.0
        self._left[client] = (left - allowed, now)
        if len(self._left) > _CLIENTS:
            self._left.popitem(last=False)
        return allowed


def client_of(scope: Scope) -> str:
    """The address of the caller."""
    client = scope.get("client")
    return client[0] if client else "unknown"
