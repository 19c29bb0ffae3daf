"""Policies: the list, one version, and two compared."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from diorama.studio.web.answers.lineage import node
from diorama.studio.web.answers.policies import compare, policy_page, policy_rows
from diorama.studio.web.answers.versions import PAGE, cut, version
from diorama.studio.web.api.shared import Digest, PageNumber
from diorama.studio.web.charts.forest import Estimated, forest
from diorama.studio.web.pages.figures import (
    curve_charts,
    pair_chart,
    scatter_chart,
    scores_chart,
    strip_chart,
)
from diorama.studio.web.services import Services
from diorama.studio.web.words import interval_words

Asked = Annotated[str, Query(pattern=r"^[0-9a-f]{64}$")]
_RETURNS = ("return", "value", "loss")


def policies_router(services: Services) -> APIRouter:
    """``/policies``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/policies")
    def policies(request: Request, page: PageNumber = 1) -> Response:
        return services.page(request, "policies.html", found=cut(policy_rows(services.snapshot()), page, PAGE))

    @router.get("/policies/compare")
    def comparison(request: Request, a: Asked, b: Asked) -> Response:
        snapshot = services.snapshot()
        first, second = version(snapshot, a, "policy"), version(snapshot, b, "policy")
        told = compare(snapshot, services.tables, first, second)
        charts = [
            (pair_chart(pair), None if pair.rate else scatter_chart(pair, first.name, second.name))
            for *_, pair in told.pairs
        ]
        return services.page(request, "compare.html", told=told, charts=charts)

    @router.get("/policies/{digest}")
    def policy(request: Request, digest: Digest) -> Response:
        snapshot = services.snapshot()
        told = policy_page(snapshot, services.tables, version(snapshot, digest, "policy"))
        run = services.runs.of_version(digest)
        return services.page(
            request,
            "policy.html",
            told=told,
            chart=scores_chart(told.scores, "world", f"{told.row.name} by world") if told.scores else None,
            outcomes=[(one, None if one.score.rate else strip_chart(one), strata(one)) for one in told.outcomes],
            learning=_learning(services, digest, run),
            run=run,
            node=node(snapshot, digest),
        )

    return router


def strata(found) -> object | None:
    """The rate by trust, as a chart; None where no trust was recorded."""
    rate = found.score.rate
    rows = [
        Estimated(
            f"{one.name} (n = {one.n})",
            one.value,
            one.low,
            one.high,
            interval_words(one.value, one.low, one.high, rate),
        )
        for one in found.strata
    ]
    return forest(rows, "By trust", (0.0, 1.0) if rate else None, rate) if rows else None


def _learning(services: Services, digest: str, run: str | None) -> list:
    from diorama.studio.web.answers import runs as runs_of

    if run is None:
        return []
    names = [place.name for place in services.book.places.find(digest)]
    stages = [stage for name in names for stage in runs_of.stage_of(name)]
    return curve_charts(runs_of.curves(services.runs.folder(run), stages), _RETURNS)
