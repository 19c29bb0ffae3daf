"""The application: guards around everything, the API, the pages, and interactive play."""

import logging

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response

from diorama import __version__
from diorama.core.errors import DioramaError
from diorama.studio.play.router import play_router
from diorama.studio.web.access import Access
from diorama.studio.web.api.material import material_api
from diorama.studio.web.api.registry import registry_api
from diorama.studio.web.api.results import results_api
from diorama.studio.web.assets import respond
from diorama.studio.web.errors import MissingError, sentence_of
from diorama.studio.web.guards import Bounds, Envelope
from diorama.studio.web.login import login_router
from diorama.studio.web.pages.data import data_router
from diorama.studio.web.pages.evaluations import evaluations_router
from diorama.studio.web.pages.gate import gate_router
from diorama.studio.web.pages.home import home_router
from diorama.studio.web.pages.lineage import lineage_router
from diorama.studio.web.pages.links import MENU
from diorama.studio.web.pages.policies import policies_router
from diorama.studio.web.pages.worlds import worlds_router
from diorama.studio.web.refusals import answer
from diorama.studio.web.services import Services

LOG = logging.getLogger("diorama.studio")
ABOUT = "Read what a registry of Diorama holds: versions, status, lineage, evaluations, runs. Ids are SHA-256 digests."
API = "/api/v1"
"""Prefix of the API; a change that breaks a caller gets another one."""
ROUTERS = (
    home_router,
    worlds_router,
    policies_router,
    lineage_router,
    evaluations_router,
    gate_router,
    data_router,
    login_router,
    registry_api,
    results_api,
    material_api,
    play_router,
)
"""Functions of `Services` that give the routes. Play is plugged in here: ``diorama.studio.play.router.play_router``
brings HTTP and WebSocket routes under ``/play`` and ``/api/v1/play``, and appends its page to ``services.menu``."""


def create_app(services: Services) -> FastAPI:
    """The studio over one registry, as an ASGI application; every route of it lies behind `Access`."""
    app = FastAPI(
        title="Diorama studio",
        version=__version__,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
    )
    services.menu[:] = MENU
    for make in ROUTERS:
        app.include_router(make(services))
    app.include_router(_asset_router(services))
    _explain_errors(app)
    # The last one added is the outermost.
    app.add_middleware(Access, settings=services.settings)
    app.add_middleware(Bounds, limits=services.settings.limits)
    app.add_middleware(Envelope)
    return app


def _asset_router(services: Services) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/assets/{name}")
    def asset(name: str, request: Request) -> Response:
        return respond(services.assets, name, request)

    return router


def _explain_errors(app: FastAPI) -> None:
    """Every error is one sentence: JSON to programs, a page to people."""

    @app.exception_handler(DioramaError)
    async def ours(request: Request, error: DioramaError) -> Response:
        return answer(404 if isinstance(error, MissingError) else 409, str(error), _is_page(request))

    @app.exception_handler(StarletteHTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        made = answer(error.status_code, sentence_of(error.status_code, str(error.detail)), _is_page(request))
        for name, value in (error.headers or {}).items():
            made.headers[name] = value
        return made

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = " ".join(str(part) for part in first["loc"][1:])
        return answer(422, f"{where or 'The request'}: {first['msg']}.", _is_page(request))


def _is_page(request: Request) -> bool:
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")
