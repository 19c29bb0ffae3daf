"""Lineage: the graph, and below it the version that was clicked: cause, plan, cost, debt, what a change would do."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from starlette.responses import Response

from diorama.studio.web.answers import lineage as lineages
from diorama.studio.web.answers.versions import listing, version
from diorama.studio.web.api.registry import Change
from diorama.studio.web.api.shared import Word
from diorama.studio.web.charts.graph import Arrow, Box, draw
from diorama.studio.web.pages.links import kind_words
from diorama.studio.web.services import Services
from diorama.studio.web.snapshot import Snapshot

Asked = Annotated[str, Query(pattern=r"^([0-9a-f]{64})?$")]


def lineage_router(services: Services) -> APIRouter:
    """``/lineage``: ``of`` is the version whose surroundings are drawn, ``at`` the one that is looked at."""
    router = APIRouter(include_in_schema=False)

    @router.get("/lineage")
    def lineage(
        request: Request, of: Asked = "", at: Asked = "", change: Change | None = None, name: Word = ""
    ) -> Response:
        snapshot = services.snapshot()
        at = at or of
        for one in filter(None, (of, at)):
            version(snapshot, one)
        picture = lineages.picture(snapshot, of) if of else lineages.overview(snapshot)
        shown = lineages.node(snapshot, at, planned=change is None) if at else None
        changed = lineages.what_if(snapshot, at, change) if at and change else None
        found = listing(snapshot, name=name, size=12).items if name else ()
        return services.page(
            request,
            "lineage.html",
            picture=picture,
            drawn=drawing(snapshot, picture, of, at),
            node=shown,
            changed=changed,
            of=of,
            at=at,
            name=name,
            found=found,
        )

    return router


def drawing(snapshot: Snapshot, picture: lineages.Picture, of: str, at: str) -> Markup:
    """The graph, with the path of the worst cause of ``at`` lit."""
    causes = snapshot.survey.report(at).causes[:1] if at else ()
    lit = {(a.id, b.id) for cause in causes for a, b in zip(cause.path, cause.path[1:], strict=False)}
    centre = f"of={of}&" if of else ""
    boxes = [
        Box(n.id, n.name, f"{kind_words(n.kind)} {n.id[:8]}", n.status, f"/lineage?{centre}at={n.id}", n.id == at)
        for n in picture.nodes
    ]
    arrows = [Arrow(one.source, one.target, one.role, (one.source, one.target) in lit) for one in picture.links]
    return draw(boxes, arrows, "What rests on what, from left to right")
