"""The first page."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from diorama.studio.web.services import Services


def home_router(services: Services) -> APIRouter:
    """``/``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def home(request: Request) -> Response:
        return services.page(request, "home.html", versions=len(services.snapshot().graph))

    return router
