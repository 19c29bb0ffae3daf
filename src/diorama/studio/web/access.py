"""The one authentication layer: every request and every WebSocket passes here first, and is refused unless allowed.

It asks, in this order: is the Host one of ours (against DNS rebinding), does the Origin fit it (against other sites in
the user's browser), and, where the studio has a token, does the caller know it. Routes behind it need no care.
"""

import hashlib
import hmac
import ipaddress
import urllib.parse
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from diorama.studio.web.refusals import refuse
from diorama.studio.web.settings import LOCAL_NAMES, Settings, is_loopback

COOKIE = "diorama_studio"
"""Cookie of a browser that gave the token: a keyed hash, not the token."""
OPEN = frozenset({("GET", "/login"), ("HEAD", "/login"), ("POST", "/login"), ("GET", "/assets/studio.css")})
"""All that a caller without the token can reach: the form that asks for it, and its style."""
_SAFE = ("GET", "HEAD")
_SAME_SITE = ("same-origin", "none")


def session(token: str) -> str:
    """What the cookie of a browser holds that gave ``token``."""
    return hmac.new(token.encode(), b"diorama studio session", hashlib.sha256).hexdigest()


def same(given: str, wanted: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode(), wanted.encode())


class Access:
    """ASGI middleware that lets through what is allowed and refuses the rest."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._names = {name.lower() for name in (*LOCAL_NAMES, *settings.names)}
        self._session = session(settings.token) if settings.token else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request or WebSocket through, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if sentence := self._foreign(scope, headers):
            await refuse(scope, receive, send, 403, sentence)
        elif self._known(scope, headers):
            await self._app(scope, receive, send)
        elif _wants_page(scope, headers):
            here = urllib.parse.quote(scope["path"], safe="/")
            await RedirectResponse(f"/login?next={here}", status_code=303)(scope, receive, send)
        else:
            sentence = "The studio needs its token: send it as `Authorization: Bearer TOKEN`, or open /login."
            await refuse(scope, receive, send, 401, sentence)

    def _foreign(self, scope: Scope, headers: Headers) -> str:
        """Why a request did not come from a page of ours; "" if it may have."""
        hosts = headers.getlist("host")
        host = hosts[0].lower() if len(hosts) == 1 else ""
        if not self._ours(host):
            return "This name is not one of the studio's; open it by its address, or start it with --allow-host NAME."
        websocket = scope["type"] == "websocket"
        if origin := headers.get("origin"):
            found = urllib.parse.urlsplit(origin)
            if found.scheme in ("http", "https") and found.netloc.lower() == host:
                return ""
            unsafe = websocket or scope["method"] not in _SAFE
            return "The request came from a page of another site." if unsafe or origin != "null" else ""
        unsafe = not websocket and scope["method"] not in _SAFE
        if unsafe and headers.get("sec-fetch-site", "none") not in _SAME_SITE:
            return "The request came from a page of another site."
        return ""

    def _ours(self, host: str) -> bool:
        """Whether a Host header may name this server: a name that we know, or a literal address."""
        name = _name(host)
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        # A literal address cannot be rebound; on a loopback server only a loopback one makes sense.
        return is_loopback(name) or not is_loopback(self._settings.host)

    def _known(self, scope: Scope, headers: Headers) -> bool:
        if not self._settings.token or (scope.get("method"), scope["path"]) in OPEN:
            return True
        return any(same(given, wanted) for given, wanted in self._given(scope, headers))

    def _given(self, scope: Scope, headers: Headers) -> Iterable[tuple[str, str]]:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            yield token.strip(), self._settings.token
        if cookie := HTTPConnection(scope).cookies.get(COOKIE):
            yield cookie, self._session


def _name(host: str) -> str:
    """The name or address of a Host header without its port; "" for one that is not well-formed."""
    if host.startswith("["):
        address, bracket, rest = host[1:].partition("]")
        return address if bracket and (not rest or _is_port(rest)) else ""
    name, colon, port = host.partition(":")
    return name if not colon or _is_port(colon + port) else ""


def _is_port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isdigit() and len(text) <= 6


def _wants_page(scope: Scope, headers: Headers) -> bool:
    is_page = scope["type"] == "http" and scope["method"] in _SAFE and not scope["path"].startswith("/api/")
    return is_page and "text/html" in headers.get("accept", "")
