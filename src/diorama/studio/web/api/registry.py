"""Versions, lineage and what a change would do, as JSON."""

import time
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from diorama.registry.explain import Page, explain
from diorama.registry.records import KINDS
from diorama.registry.rules import Status
from diorama.studio.web.answers import lineage as lineages
from diorama.studio.web.answers.home import Home, home
from diorama.studio.web.answers.versions import PAGE, Row, listing, version
from diorama.studio.web.api.shared import ERRORS, Digest, Paged, PageNumber, PageSize, Word, paged, said
from diorama.studio.web.services import Services

Kind = StrEnum("Kind", {kind: kind for kind in KINDS})
"""What a version can be."""
Change = StrEnum("Change", {"patch": lineages.PATCH, "revoke": lineages.REVOKE})
"""What can be asked about before it is done."""
KindQuery = Annotated[Kind | None, Query(description="Only this kind.")]
StatusQuery = Annotated[Status | None, Query(description="Only this status.")]


def registry_api(services: Services) -> APIRouter:
    """``/api/v1``: home, versions, lineage."""
    router = APIRouter(prefix="/api/v1", responses=ERRORS)

    @router.get("/home", tags=["home"], response_model=Home)
    def the_best_and_the_stale() -> JSONResponse:
        """Which policy is best, in which world, how surely; what is stale; where channels point."""
        return said(home(services.snapshot(), services.tables))

    @router.get("/versions", tags=["versions"], response_model=Paged[Row])
    def versions(
        kind: KindQuery = None, status: StatusQuery = None, name: Word = "", page: PageNumber = 1, size: PageSize = PAGE
    ) -> JSONResponse:
        """Versions, the newest first."""
        return paged(listing(services.snapshot(), kind or "", name, status or "", page, size))

    @router.get("/versions/{digest}", tags=["versions"], response_model=Page)
    def one_version(digest: Digest) -> JSONResponse:
        """Everything about one version: what it is, its status with causes, debt, neighbours, costs."""
        snapshot = services.snapshot()
        return said(explain(snapshot.graph, version(snapshot, digest).id, time.time()))

    @router.get("/versions/{digest}/lineage", tags=["lineage"], response_model=lineages.Picture)
    def lineage(digest: Digest, most: Annotated[int, Query(ge=1, le=500)] = lineages.NODES) -> JSONResponse:
        """The versions around one, nearest first, and the edges between them."""
        snapshot = services.snapshot()
        return said(lineages.picture(snapshot, version(snapshot, digest).id, most))

    @router.get("/versions/{digest}/what-if", tags=["lineage"], response_model=lineages.WhatIf)
    def what_if(digest: Digest, change: Change = Change.patch) -> JSONResponse:
        """What a patch or a revocation would make worse, and what it would take; nothing is done."""
        snapshot = services.snapshot()
        return said(lineages.what_if(snapshot, version(snapshot, digest).id, change))

    @router.get("/versions/{digest}/work", tags=["lineage"], response_model=lineages.Node360)
    def work(digest: Digest) -> JSONResponse:
        """Why a version has its status, what it owes, and the plan where a successor is there."""
        snapshot = services.snapshot()
        return said(lineages.node(snapshot, version(snapshot, digest).id, planned=True))

    return router
