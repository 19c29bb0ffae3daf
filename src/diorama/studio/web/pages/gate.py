"""The gate: what it decided, what it looked at, and what is missing; and single audits."""

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from diorama.registry.records import KINDS
from diorama.studio.web.answers import decisions, gate
from diorama.studio.web.answers.policies import policy_rows
from diorama.studio.web.answers.versions import PAGE, cut, version
from diorama.studio.web.api.shared import Digest, PageNumber
from diorama.studio.web.charts.forest import Estimated, forest
from diorama.studio.web.services import Services
from diorama.studio.web.words import interval_words

_UNASKED = 8


def gate_router(services: Services) -> APIRouter:
    """``/gate`` and ``/audits``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/gate")
    def newest(request: Request, page: PageNumber = 1) -> Response:
        snapshot = services.snapshot()
        found = decisions.decisions(snapshot)
        asked = {one.policy.id for one in found if one.policy is not None}
        unasked = [one for one in policy_rows(snapshot) if one.row.id not in asked and one.score is not None]
        return services.page(
            request,
            "gate.html",
            found=cut(found, page, PAGE),
            shown=found[0] if found and page == 1 else None,
            chart=rates_chart(found[0]) if found else None,
            unasked=[one for one in unasked if not one.score.scripted][:_UNASKED],
            purses=gate.purses(snapshot),
        )

    @router.get("/audits/{digest}")
    def audit(request: Request, digest: Digest) -> Response:
        snapshot = services.snapshot()
        found = version(snapshot, digest, "audit")
        if decisions.is_decision(found):
            one = decisions.decision(snapshot, found)
            return services.page(request, "decision.html", one=one, chart=rates_chart(one))
        told = gate.verdict(snapshot, services.book.registry, found)
        return services.page(request, "audit.html", told=told, kinds=KINDS)

    return router


def rates_chart(found: decisions.Decision) -> Markup | None:
    """The policy in each world and in reality, with intervals; None where nothing was measured."""
    rows = [("reality, planned trials", found.value, found.low, found.high, found.n, "c1")]
    rows += [(one.world, one.value, one.low, one.high, one.n, "c3") for one in found.worlds]
    lines = [
        Estimated(name, value, low, high, interval_words(value, low, high, True, n), "", colour)
        for name, value, low, high, n, colour in rows
        if value is not None and low is not None and high is not None
    ]
    return forest(lines, "Success in each world", (0.0, 1.0), True) if lines else None
