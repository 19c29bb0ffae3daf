"""Datasets, episodes, films and runs, as JSON, pictures and video."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from diorama.core.canonical import to_json
from diorama.studio.web.answers import datasets, runs
from diorama.studio.web.answers.versions import PAGE, cut, version
from diorama.studio.web.api.films import film_api
from diorama.studio.web.api.shared import ERRORS, Digest, Paged, PageNumber, PageSize, paged, said
from diorama.studio.web.errors import MissingError
from diorama.studio.web.ranges import serve_file
from diorama.studio.web.services import Services

Number = Annotated[int, Path(ge=0, le=10**9, description="A number, from 0.")]
VIDEO: dict[int | str, dict[str, Any]] = {
    200: {"description": "The whole file.", "content": {"video/mp4": {}}},
    206: {"description": "The part of it that was asked for.", "content": {"video/mp4": {}}},
    416: {"description": "It has no such part."},
}
EVENTS: dict[int | str, dict[str, Any]] = {200: {"description": "Events.", "content": {"text/event-stream": {}}}}
EVERY_S, LONGEST_S = 1.0, 3600.0
"""How often the state of a run is sent, and for how long at most [s]."""


def material_api(services: Services) -> APIRouter:
    """``/api/v1``: datasets and runs."""
    router = APIRouter(prefix="/api/v1", responses=ERRORS)
    _datasets(router, services)
    film_api(router, services)

    @router.get("/runs", tags=["runs"], response_model=Paged[runs.Run])
    def run_list(page: PageNumber = 1, size: PageSize = PAGE) -> JSONResponse:
        """Run folders, running ones first."""
        return paged(cut(services.runs.all(), page, size))

    @router.get("/runs/{digest}", tags=["runs"], response_model=runs.Run)
    def run(digest: Digest) -> JSONResponse:
        """Where a run stands."""
        return said(runs.read_run(digest, services.runs.folder(digest)))

    @router.get("/runs/{digest}/curves", tags=["runs"], response_model=list[runs.Curve])
    def curves(digest: Digest) -> JSONResponse:
        """What a run has logged, thinned."""
        return said(runs.curves(services.runs.folder(digest)))

    @router.get("/runs/{digest}/events", tags=["runs"], response_class=StreamingResponse, responses=EVENTS)
    def events(digest: Digest) -> StreamingResponse:
        """Where a run stands, once a second while it is running, as server-sent events."""
        return StreamingResponse(_watched(digest, services.runs.folder(digest)), media_type="text/event-stream")

    return router


def _datasets(router: APIRouter, services: Services) -> None:
    @router.get("/datasets", tags=["data"], response_model=Paged[datasets.DatasetRow])
    def dataset_list(page: PageNumber = 1, size: PageSize = PAGE) -> JSONResponse:
        """Datasets, the newest first."""
        return paged(cut(datasets.dataset_rows(services.snapshot()), page, size))

    @router.get("/datasets/{digest}", tags=["data"], response_model=datasets.DatasetPage)
    def dataset(digest: Digest) -> JSONResponse:
        """One dataset with its episodes and near-duplicates."""
        snapshot = services.snapshot()
        return said(datasets.dataset_page(snapshot, services.datasets, version(snapshot, digest, "dataset")))

    @router.get("/datasets/{digest}/episodes/{number}/signals", tags=["data"], response_model=list[datasets.Signal])
    def signals(digest: Digest, number: Number) -> JSONResponse:
        """The columns of an episode over time."""
        found = version(services.snapshot(), digest, "dataset")
        opened = datasets.opened(services.datasets, found)
        return said(datasets.signals(opened, datasets.checked_episode(found, number)))

    @router.get("/datasets/{digest}/videos/{number}", tags=["data"], response_class=Response, responses=VIDEO)
    def video(digest: Digest, number: Number, request: Request) -> Response:
        """One of the dataset's video files, in whole or in part (`Range`)."""
        opened = datasets.opened(services.datasets, version(services.snapshot(), digest, "dataset"))
        files = video_files(opened.path)
        if number >= len(files):
            raise MissingError(f"This dataset has {len(files)} video files; they are counted from 0.")
        return serve_file(request, files[number])


def video_files(folder: FilePath) -> list[FilePath]:
    """The video files of a dataset, in the order of their names."""
    return sorted(path for path in (folder / "videos").rglob("*.mp4") if path.is_file())


async def _watched(run: str, folder: FilePath) -> AsyncIterator[str]:
    waited = 0.0
    while waited < LONGEST_S:
        state = await asyncio.to_thread(runs.read_run, run, folder)
        yield f"data: {json.dumps(to_json(state))}\n\n"
        if not state.running:
            return
        await asyncio.sleep(EVERY_S)
        waited += EVERY_S
