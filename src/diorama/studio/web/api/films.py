"""Films: how they stand as JSON, and their sheets as PNG once they are made."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from diorama.core.canonical import to_json
from diorama.registry.records import Version
from diorama.studio.web.answers import datasets
from diorama.studio.web.answers.fields import whole
from diorama.studio.web.answers.scores import REAL, of_policy, tested
from diorama.studio.web.answers.versions import version
from diorama.studio.web.api.shared import PNG, Digest
from diorama.studio.web.errors import MissingError
from diorama.studio.web.films.episodes import episode_sheet, replay_sheet
from diorama.studio.web.films.rollouts import Rollouts, rollouts_of
from diorama.studio.web.films.sheet import Sheet
from diorama.studio.web.films.workshop import BUSY, READY, WORKING, Job
from diorama.studio.web.services import Services

Number = Annotated[int, Path(ge=0, le=10**9, description="A number, from 0.")]
Seed = Annotated[int, Path(ge=0, le=2**32 - 1, description="The seed of an episode.")]
_CODES = {READY: 200, WORKING: 202, BUSY: 202}
BESIDE = 3
"""Other worlds that an episode is shown in."""
LONGEST = 400
"""The most steps of an episode that is played again."""


class Film(BaseModel):
    """How a film stands."""

    state: Literal["ready", "working", "busy", "impossible"]
    why: str = Field(description="Where it is not ready: why, in a sentence.")
    film: dict[str, Any] | None = Field(
        description="Where it is ready: how its sheet is laid out, and what was measured."
    )


LATER: dict[int | str, dict[str, Any]] = {202: {"description": "It is being made; ask again.", "model": Film}}


def film_api(router: APIRouter, services: Services) -> None:
    """Adds the films' routes: ``.../film`` says how it stands, ``.../film.png`` is its sheet."""

    @router.get("/worlds/{digest}/rollouts", tags=["films"], response_model=Film, responses=LATER)
    def rollouts(digest: Digest) -> JSONResponse:
        """Reality beside imagination: 202 while it is imagined, then errors, spread and signals by step."""
        return _answer(rollouts_job(services, digest), _rollouts_json)

    @router.get("/worlds/{digest}/rollouts.png", tags=["films"], response_class=Response, responses=PNG)
    def rollouts_sheet(digest: Digest) -> Response:
        """Its frames: two tracks (reality, imagined) for each stretch."""
        return _png(rollouts_job(services, digest), lambda found: found.sheet)

    @router.get("/datasets/{digest}/episodes/{number}/film", tags=["films"], response_model=Film, responses=LATER)
    def episode(digest: Digest, number: Number) -> JSONResponse:
        """An episode as it was recorded."""
        return _answer(episode_job(services, digest, number), lambda sheet: sheet.layout())

    @router.get("/datasets/{digest}/episodes/{number}/film.png", tags=["films"], response_class=Response, responses=PNG)
    def episode_png(digest: Digest, number: Number) -> Response:
        """Its frames."""
        return _png(episode_job(services, digest, number), lambda sheet: sheet)

    @router.get("/evaluations/{digest}/seeds/{seed}/film", tags=["films"], response_model=Film, responses=LATER)
    def replay(digest: Digest, seed: Seed) -> JSONResponse:
        """One episode of an evaluation, played again from its seed, beside the same seed in other worlds."""
        return _answer(replay_job(services, digest, seed), lambda sheet: sheet.layout())

    @router.get("/evaluations/{digest}/seeds/{seed}/film.png", tags=["films"], response_class=Response, responses=PNG)
    def replay_png(digest: Digest, seed: Seed) -> Response:
        """Its frames."""
        return _png(replay_job(services, digest, seed), lambda sheet: sheet)


def rollouts_job(services: Services, digest: str) -> Job:
    """The rollouts of a world, begun where nobody asked before."""
    world = version(services.snapshot(), digest, "simulator")
    return services.workshop.ask(f"rollouts {digest}", lambda: rollouts_of(services.book, services.datasets, world))


def episode_job(services: Services, digest: str, number: int) -> Job:
    """The film of a recorded episode."""
    found = version(services.snapshot(), digest, "dataset")
    datasets.checked_episode(found, number)
    return services.workshop.ask(
        f"episode {digest} {number}", lambda: episode_sheet(datasets.opened(services.datasets, found), number)
    )


def replay_job(services: Services, digest: str, seed: int) -> Job:
    """The film of an episode of an evaluation."""
    snapshot = services.snapshot()
    found = version(snapshot, digest, "evaluation")
    pair, table = tested(snapshot, found), services.tables.of(found)
    if pair is None or table is None or seed not in table.seeds:
        raise MissingError("This evaluation has no episode with this seed; its page lists those it has.")
    policy, world = pair
    task, length = _task(found, world), min(whole(found.fields.get("length")) or LONGEST, LONGEST)
    worlds = {world.name: world} | _beside(services, policy, world, seed)
    return services.workshop.ask(
        f"replay {digest} {seed}", lambda: replay_sheet(services.book, task, policy, worlds, seed, length)
    )


def _beside(services: Services, policy: Version, world: Version, seed: int) -> dict[str, Version]:
    """Other worlds in which this policy met the same seed, reality first: at most `BESIDE` of them, by name."""
    snapshot, found = services.snapshot(), {}
    for one in sorted(of_policy(snapshot, policy.id), key=lambda score: score.origin != REAL):
        table = services.tables.of(snapshot.graph.get(one.id))
        if one.world_name != world.name and table is not None and seed in table.seeds:
            found.setdefault(one.world_name, snapshot.graph.get(one.world))
    return dict(list(found.items())[:BESIDE])


def _task(evaluation: Version, world: Version) -> str:
    """The task of an evaluation: what it says, else what the family of the world begins with."""
    said = evaluation.fields.get("task")
    return said if isinstance(said, str) and said else world.name.partition("/")[0]


def _answer(job: Job, of_result: Callable[[Any], Any]) -> JSONResponse:
    result = of_result(job.result) if job.state == READY else None
    body = {"state": job.state, "why": job.why, "film": to_json(result)}
    return JSONResponse(body, _CODES.get(job.state, 200))


def _png(job: Job, sheet_of: Callable[[Any], Sheet | None]) -> Response:
    sheet = sheet_of(job.result) if job.state == READY else None
    if sheet is None:
        raise MissingError(job.why or "This cannot be drawn.")
    return Response(sheet.png, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


def _rollouts_json(found: Rollouts) -> dict[str, Any]:
    given = {"steps": found.steps, "period": found.period, "draws": found.draws, "chosen": found.chosen}
    layout = None if found.sheet is None else found.sheet.layout()
    return given | {"held_out": found.held_out, "stretches": to_json(found.stretches), "sheet": layout}
