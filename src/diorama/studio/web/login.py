"""The form that asks for the token once, and the cookie that a browser keeps then."""

import re
import time
import urllib.parse

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from diorama.studio.web.access import COOKIE, same, session
from diorama.studio.web.guards import Buckets, client_of
from diorama.studio.web.services import Services

_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9_./-]{0,200}")
_REFILL = 0.1


def login_router(services: Services) -> APIRouter:
    """``/login``: the form, and what it sends."""
    router = APIRouter(include_in_schema=False)
    token, tries = services.settings.token, Buckets(services.settings.limits.logins, _REFILL, time.monotonic)

    @router.get("/login")
    def ask(request: Request, next: str = "/") -> Response:
        return services.page(request, "login.html", next=_local(next), said="")

    @router.post("/login")
    async def take(request: Request) -> Response:
        form = dict(urllib.parse.parse_qsl((await request.body()).decode("utf-8", "replace")))
        where = _local(form.get("next", "/"))
        if not tries.take(client_of(request.scope)):
            said = "These were too many wrong tokens; wait ten seconds."
            return services.page(request, "login.html", status=429, next=where, said=said)
        if not token or not same(form.get("token", ""), token):
            said = "That is not the token. It stands where the studio was started."
            return services.page(request, "login.html", status=403, next=where, said=said)
        response = RedirectResponse(where, status_code=303)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, session(token), httponly=True, samesite="strict", secure=secure)
        return response

    return router


def _local(path: str) -> str:
    """A path of this server, whatever was asked for."""
    return path if _PATH.fullmatch(path) else "/"
