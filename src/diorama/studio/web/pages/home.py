"""The first page, the lists of versions, and what the API is."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from diorama.registry.explain import explain
from diorama.registry.records import KINDS
from diorama.registry.rules import Status
from diorama.studio.web.answers.home import home as answer_home
from diorama.studio.web.answers.lineage import node
from diorama.studio.web.answers.policies import failure_modes
from diorama.studio.web.answers.versions import PAGE, listing, row, version
from diorama.studio.web.api.registry import KindQuery, StatusQuery
from diorama.studio.web.api.shared import Digest, PageNumber, Word
from diorama.studio.web.pages.figures import scores_chart
from diorama.studio.web.services import Services

_SHOWN = 6


def home_router(services: Services) -> APIRouter:
    """``/``, ``/versions``, ``/api``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def home(request: Request) -> Response:
        found = answer_home(services.snapshot(), services.tables)
        charts = [
            scores_chart(one.standing.scores[:_SHOWN], "policy", f"Policies in {one.standing.world_name}")
            for one in found.best
        ]
        return services.page(request, "home.html", found=found, charts=charts)

    @router.get("/versions")
    def versions(
        request: Request, kind: KindQuery = None, status: StatusQuery = None, name: Word = "", page: PageNumber = 1
    ) -> Response:
        found = listing(services.snapshot(), kind or "", name, status or "", page, PAGE)
        asked = {"kind": str(kind or ""), "status": str(status or ""), "name": name}
        return services.page(
            request, "versions.html", found=found, asked=asked, kinds=KINDS, statuses=[str(one) for one in Status]
        )

    @router.get("/versions/{digest}")
    def one_version(request: Request, digest: Digest) -> Response:
        snapshot = services.snapshot()
        found = version(snapshot, digest)
        told = explain(snapshot.graph, digest, 0.0)
        modes = failure_modes(snapshot) if found.kind == "failure_mode" else ()
        return services.page(
            request,
            "version.html",
            row=row(snapshot, found),
            told=told,
            node=node(snapshot, digest),
            graph=snapshot.graph,
            mode=next((one for one in modes if one.row.id == digest), None),
        )

    @router.get("/api")
    def api(request: Request) -> Response:
        paths = request.app.openapi()["paths"]
        routes = [(path, next(iter(ways.values()))) for path, ways in paths.items()]
        return services.page(request, "api.html", routes=routes)

    return router
