"""Worlds: the list, and one version with its exam, its learning, and reality beside imagination."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from diorama.studio.web.answers import runs as runs_of
from diorama.studio.web.answers.lineage import node
from diorama.studio.web.answers.versions import PAGE, cut, version
from diorama.studio.web.answers.worlds import cards, world_page
from diorama.studio.web.api.films import rollouts_job
from diorama.studio.web.api.shared import Digest, PageNumber
from diorama.studio.web.films.sheet import strip_address
from diorama.studio.web.films.workshop import READY
from diorama.studio.web.pages.figures import calibration_chart, curve_charts, exam_chart, scores_chart
from diorama.studio.web.services import Services

_LEARNED = ("held_out", "loss")


def worlds_router(services: Services) -> APIRouter:
    """``/worlds``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/worlds")
    def worlds(request: Request, page: PageNumber = 1) -> Response:
        return services.page(request, "worlds.html", found=cut(cards(services.snapshot()), page, PAGE))

    @router.get("/worlds/{digest}")
    def world(request: Request, digest: Digest) -> Response:
        snapshot = services.snapshot()
        found = version(snapshot, digest, "simulator")
        told, exam = world_page(snapshot, found), services.exams.of(found)
        calibration = exam.get("calibration") if exam else None
        charts = {
            "exam": exam_chart(exam) if exam else None,
            "calibration": calibration_chart(calibration, float(exam["control_period"])) if calibration else None,
            "scores": scores_chart(told.scores[:20], "policy", f"Policies in {found.name}") if told.scores else None,
        }
        run = services.runs.of_version(digest)
        return services.page(
            request,
            "world.html",
            told=told,
            exam=exam,
            charts=charts,
            learning=learning(services, digest, run),
            run=run,
            node=node(snapshot, digest),
            strip=_strip(services, request, digest),
            can_imagine="weights.safetensors" in found.manifest.blobs,
        )

    return router


def _strip(services: Services, request: Request, digest: str) -> str:
    """Reality above imagination as a picture inside the page, for a report; "" elsewhere and while it is made."""
    if request.query_params.get("report") != "1":
        return ""
    job = rollouts_job(services, digest)
    return strip_address(job.result.sheet) if job.state == READY and job.result.sheet is not None else ""


def learning(services: Services, digest: str, run: str | None) -> list:
    """Learning curves of the stage that made a version, where its run lies here."""
    if run is None:
        return []
    names = [place.name for place in services.book.places.find(digest)]
    stages = [stage for name in names for stage in runs_of.stage_of(name)]
    return curve_charts(runs_of.curves(services.runs.folder(run), stages), _LEARNED)
