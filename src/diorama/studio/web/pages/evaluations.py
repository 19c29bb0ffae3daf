"""Evaluations and the gate: who stands where, whether worlds agree with reality, audits, budgets, claims."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from diorama.studio.web.answers import gate
from diorama.studio.web.answers.home import best_in
from diorama.studio.web.answers.lineage import node
from diorama.studio.web.answers.policies import failure_modes, outcomes
from diorama.studio.web.answers.scores import estimates, is_rate, of_policy, scores, standings, tested
from diorama.studio.web.answers.versions import PAGE, cut, newest, row, version
from diorama.studio.web.api.shared import Digest, PageNumber
from diorama.studio.web.pages.figures import agreement_chart, scores_chart, strip_chart
from diorama.studio.web.services import Services
from diorama.studio.web.words import interval_words

_STANDINGS, _CLAIMS, _SHOWN = 8, 12, 12


def evaluations_router(services: Services) -> APIRouter:
    """``/evaluations``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/evaluations")
    def evaluations(request: Request, page: PageNumber = 1) -> Response:
        snapshot = services.snapshot()
        ranked = standings(snapshot)[:_STANDINGS]
        agreed = gate.agreements(snapshot)
        return services.page(
            request,
            "evaluations.html",
            best=[
                (
                    one,
                    best_in(snapshot, services.tables, one),
                    scores_chart(one.scores[:_SHOWN], "policy", one.world_name),
                )
                for one in ranked
            ],
            agreements=[
                (one, agreement_chart(one), gate.with_interval(snapshot, services.tables, one)) for one in agreed[:6]
            ],
            audits=gate.verdicts(snapshot, services.book.registry),
            purses=gate.purses(snapshot),
            claims=gate.claims(snapshot)[:_CLAIMS],
            modes=failure_modes(snapshot)[:_CLAIMS],
            found=cut(scores(snapshot), page, PAGE),
            total=len(newest(snapshot, "evaluation")),
        )

    @router.get("/evaluations/{digest}")
    def evaluation(request: Request, digest: Digest) -> Response:
        snapshot = services.snapshot()
        found = version(snapshot, digest, "evaluation")
        pair = tested(snapshot, found)
        score = next((one for one in of_policy(snapshot, pair[0].id) if one.id == digest), None) if pair else None
        told = outcomes(snapshot, services.tables, score) if score else None
        words = [
            (name, interval_words(one["value"], one["low"], one["high"], is_rate(name, one)), one.get("method", ""))
            for name, one in estimates(found).items()
        ]
        supports = [source for source, _ in snapshot.graph.users(digest, "supports")]
        return services.page(
            request,
            "evaluation.html",
            row=row(snapshot, found),
            pair=pair and tuple(row(snapshot, one) for one in pair),
            score=score,
            words=words,
            told=told,
            chart=strip_chart(told) if told and not told.score.rate else None,
            claims=[one for one in gate.claims(snapshot) if one.row.id in supports],
            node=node(snapshot, digest),
        )

    return router
