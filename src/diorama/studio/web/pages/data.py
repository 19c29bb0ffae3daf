"""Datasets, their episodes, and runs."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from diorama.registry.records import Version
from diorama.studio.web.answers import datasets
from diorama.studio.web.answers import runs as runs_of
from diorama.studio.web.answers.fields import mapping, whole
from diorama.studio.web.answers.lineage import node
from diorama.studio.web.answers.versions import PAGE, cut, row, version
from diorama.studio.web.api.material import Number, video_files
from diorama.studio.web.api.shared import Digest, PageNumber
from diorama.studio.web.films.episodes import can_show
from diorama.studio.web.pages.figures import curve_charts, signal_chart
from diorama.studio.web.services import Services

_EPISODES = 60


def data_router(services: Services) -> APIRouter:
    """``/data`` and ``/runs``."""
    router = APIRouter(include_in_schema=False)
    _datasets(router, services)

    @router.get("/runs")
    def runs(request: Request, page: PageNumber = 1) -> Response:
        return services.page(request, "runs.html", found=cut(services.runs.all(), page, PAGE))

    @router.get("/runs/{digest}")
    def run(request: Request, digest: Digest) -> Response:
        snapshot, folder = services.snapshot(), services.runs.folder(digest)
        made = [
            (what, row(snapshot, snapshot.graph.get(one)))
            for what, one in runs_of.read_run(digest, folder).versions.items()
            if one in snapshot.graph
        ]
        builds = {build.id: build for _, one in made for build in snapshot.graph.builds(one.id)}
        return services.page(
            request,
            "run.html",
            run=runs_of.read_run(digest, folder),
            curves=curve_charts(runs_of.curves(folder), ("held_out", "return", "loss")),
            made=made,
            builds=[(_part(build), dict(mapping(build.fields.get("resources")))) for build in builds.values()],
            seconds=runs_of.seconds(folder),
            taken=runs_of.resources(folder),
        )

    return router


def _part(build: Version) -> str:
    """Which part of a run a build made."""
    command = mapping(build.fields.get("command"))
    part = command.get("part") or command.get("verb")
    return str(part or build.name[-12:])


def _datasets(router: APIRouter, services: Services) -> None:
    @router.get("/data")
    def data(request: Request, page: PageNumber = 1) -> Response:
        return services.page(request, "data.html", found=cut(datasets.dataset_rows(services.snapshot()), page, PAGE))

    @router.get("/data/{digest}")
    def dataset(request: Request, digest: Digest, page: PageNumber = 1) -> Response:
        snapshot = services.snapshot()
        told = datasets.dataset_page(snapshot, services.datasets, version(snapshot, digest, "dataset"))
        episodes = cut(told.episodes, page, _EPISODES)
        return services.page(request, "dataset.html", told=told, episodes=episodes, node=node(snapshot, digest))

    @router.get("/data/{digest}/episodes/{number}")
    def episode(request: Request, digest: Digest, number: Number) -> Response:
        snapshot = services.snapshot()
        found = version(snapshot, digest, "dataset")
        datasets.checked_episode(found, number)
        opened = datasets.opened(services.datasets, found)
        identity = services.datasets.identities(found)[number]
        shown = datasets.signals(opened, number)
        return services.page(
            request,
            "episode.html",
            row=row(snapshot, found),
            number=number,
            last=whole(found.fields.get("episodes")) - 1,
            identity=identity,
            rows=int(opened.lengths[number]),
            fps=opened.fps,
            can_show=can_show(opened),
            videos=len(video_files(opened.path)),
            signals=[(one, signal_chart(one)) for one in shown],
        )
