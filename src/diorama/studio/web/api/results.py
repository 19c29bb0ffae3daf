"""Worlds, policies, evaluations and the gate, as JSON."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from diorama.studio.web.answers import decisions, gate, policies, worlds
from diorama.studio.web.answers.scores import Score, Standing, scores, standings
from diorama.studio.web.answers.versions import PAGE, cut, version
from diorama.studio.web.api.shared import ERRORS, Digest, Paged, PageNumber, PageSize, paged, said
from diorama.studio.web.errors import MissingError
from diorama.studio.web.services import Services


def results_api(services: Services) -> APIRouter:
    """``/api/v1``: worlds, policies, scores, agreement, audits, claims, budgets."""
    router = APIRouter(prefix="/api/v1", responses=ERRORS)
    _worlds(router, services)
    _policies(router, services)

    @router.get("/scores", tags=["evaluations"], response_model=Paged[Score])
    def all_scores(page: PageNumber = 1, size: PageSize = PAGE) -> JSONResponse:
        """What every policy scored in every world, the newest first."""
        return paged(cut(scores(services.snapshot()), page, size))

    @router.get("/standings", tags=["evaluations"], response_model=Paged[Standing])
    def all_standings(page: PageNumber = 1, size: PageSize = PAGE) -> JSONResponse:
        """By world: the policies, best first."""
        return paged(cut(standings(services.snapshot()), page, size))

    @router.get("/agreements", tags=["evaluations"], response_model=list[gate.Agreement])
    def agreements() -> JSONResponse:
        """Whether worlds rank policies as reality does."""
        return said(gate.agreements(services.snapshot()))

    @router.get("/audits", tags=["evaluations"], response_model=list[gate.Verdict])
    def audits() -> JSONResponse:
        """The newest audits with their checks and witnesses."""
        return said(gate.verdicts(services.snapshot(), services.book.registry))

    @router.get("/decisions", tags=["evaluations"], response_model=Paged[decisions.Decision])
    def decision_list(page: PageNumber = 1, size: PageSize = PAGE) -> JSONResponse:
        """What the release gate decided, the newest first."""
        return paged(cut(decisions.decisions(services.snapshot()), page, size))

    @router.get("/claims", tags=["evaluations"], response_model=Paged[gate.Claim])
    def claims(page: PageNumber = 1, size: PageSize = PAGE) -> JSONResponse:
        """Claims, the newest first."""
        return paged(cut(gate.claims(services.snapshot()), page, size))

    @router.get("/budgets", tags=["evaluations"], response_model=list[gate.Purse])
    def budgets() -> JSONResponse:
        """Purses: granted and spent."""
        return said(gate.purses(services.snapshot()))

    return router


def _worlds(router: APIRouter, services: Services) -> None:
    @router.get("/worlds", tags=["worlds"], response_model=Paged[worlds.Card])
    def world_list(page: PageNumber = 1, size: PageSize = PAGE) -> JSONResponse:
        """Families of worlds, reality first."""
        return paged(cut(worlds.cards(services.snapshot()), page, size))

    @router.get("/worlds/{digest}", tags=["worlds"], response_model=worlds.WorldPage)
    def world(digest: Digest) -> JSONResponse:
        """One version of a world."""
        snapshot = services.snapshot()
        return said(worlds.world_page(snapshot, version(snapshot, digest, "simulator")))

    @router.get("/worlds/{digest}/exam", tags=["worlds"], response_model=dict[str, Any])
    def exam(digest: Digest) -> JSONResponse:
        """The whole open-loop exam of a world."""
        snapshot = services.snapshot()
        found = services.exams.of(version(snapshot, digest, "simulator"))
        if found is None:
            raise MissingError("This world has no exam; `diorama fit` leaves one.")
        return said(found)


def _policies(router: APIRouter, services: Services) -> None:
    @router.get("/policies", tags=["policies"], response_model=Paged[policies.PolicyRow])
    def policy_list(page: PageNumber = 1, size: PageSize = PAGE) -> JSONResponse:
        """Policies, tested ones first."""
        return paged(cut(policies.policy_rows(services.snapshot()), page, size))

    @router.get("/policies/{digest}", tags=["policies"], response_model=policies.PolicyPage)
    def policy(digest: Digest) -> JSONResponse:
        """One version of a policy."""
        snapshot = services.snapshot()
        return said(policies.policy_page(snapshot, services.tables, version(snapshot, digest, "policy")))

    @router.get("/policies/{digest}/against/{other}", tags=["policies"], response_model=policies.Comparison)
    def against(digest: Digest, other: Digest) -> JSONResponse:
        """Two policies, world by world, paired by seed."""
        snapshot = services.snapshot()
        a, b = version(snapshot, digest, "policy"), version(snapshot, other, "policy")
        return said(policies.compare(snapshot, services.tables, a, b))

    @router.get("/failure-modes", tags=["policies"], response_model=Paged[policies.FailureMode])
    def failure_modes(page: PageNumber = 1, size: PageSize = PAGE) -> JSONResponse:
        """Registered failure modes, the newest first."""
        return paged(cut(policies.failure_modes(services.snapshot()), page, size))
