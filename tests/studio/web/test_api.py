"""Properties of the whole API: what its OpenAPI description says, over the story, for requests drawn by chance."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from story import Story

from diorama.recipes.book import Book, Places
from diorama.registry.records import Edge, Manifest
from diorama.registry.registry import Registry
from diorama.studio.web.app import create_app
from diorama.studio.web.services import Services
from diorama.studio.web.settings import Limits, Settings

with warnings.catch_warnings():
    # It and what it stands on name things that go.
    warnings.simplefilter("ignore")
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

DRAWN = 80
"""Requests of one test."""
PLAIN = settings(
    max_examples=DRAWN,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def api(tmp_path_factory) -> Iterator[tuple]:
    """The operations of the API, and ids of the story: some request names what is there."""
    place = tmp_path_factory.mktemp("api")
    with Book(Registry.open(place / "registry"), Places(place / "registry")) as book:
        story = Story(book)
        story.advise()
        story.patch()
        app = create_app(Services(book, Settings(runs=(run_folder(place).parent,), limits=Limits(burst=10**6))))
        schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers={"host": "127.0.0.1"})
        schema.config.update(headers={"host": "127.0.0.1"})
        ids = [value for value in vars(story).values() if isinstance(value, str)]
        yield [one.ok() for one in schema.get_all_operations()], ids


def run_folder(place: Path) -> Path:
    """A run that has logged two lines."""
    folder = place / "runs" / "one"
    folder.mkdir(parents=True)
    lines = [{"stage": "fit", "step": step, "loss": 1.0 / step} for step in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_what_is_answered_is_what_is_described(api) -> None:
    operations, ids = api
    assert len(operations) > 35

    @PLAIN
    @given(data=st.data())
    def ask(data) -> None:
        case = data.draw(data.draw(st.sampled_from(operations)).as_strategy())
        for name in {"digest", "other"} & set(case.path_parameters or {}):
            case.path_parameters[name] = data.draw(st.sampled_from(ids))
        # The first request about play imports JAX.
        case.call_and_validate(headers={"host": "127.0.0.1"}, timeout=120)

    ask()


ODD = (None, "many", {"a": {"b": 1}, "success": {"value": 2}})
"""What a field may hold that another program wrote."""
SOUND: tuple[tuple[str, dict[str, Any]], ...] = (
    ("dataset", {"episodes": 3, "frames": 30, "operators": ["ann"], "world": "push-t", "merkle_root": "0" * 64}),
    (
        "simulator",
        {
            "origin": "learned",
            "family": ["learned", "ensemble"],
            "exam": {"horizon": 8, "model": {"mean": 0.1, "low": 0.0, "high": 0.2}, "copy_last": {"mean": 0.5}},
            "contract": {"observation": {"x": {"shape": [8], "unit": "px"}}, "action": {"shape": [2], "unit": "px"}},
            "config": {"size": "nano"},
        },
    ),
    ("policy", {"actor": "", "visited": {"factors": {}}, "contract": {}, "origin": "learned"}),
    (
        "evaluation",
        {"estimates": {"success": {"value": 0.5, "low": 0.2, "high": 0.8, "count": 9}}, "n": 9, "length": 5},
    ),
    ("claim", {"estimate": 0.5, "interval": [0.2, 0.8], "evidence_level": "L2", "n": 9, "metric": "success"}),
    ("audit", {"checks": {"C1": {"state": "passed", "sentence": "Nothing."}}, "verdict": "clean"}),
    (
        "audit",
        {
            "gate": "refused",
            "protocol": {"evidence": "L7", "least": 0.6, "estimation": 20},
            "steps": [{"name": "audit", "passed": False, "sentence": "There is none."}],
            "estimate": {"value": 0.5, "low": 0.2, "high": 0.8, "count": 9, "level": 0.95},
            "next": {"what": "Audit.", "command": "diorama audit", "cost": {"wall_s": 1.0}},
            "worlds": [{"world": "w", "rate": {"value": 0.5, "low": 0.2, "high": 0.8, "count": 9}, "verdict": "clean"}],
            "trials": {"estimation": 3, "open": 2},
            "hidden": ["slips"],
            "claim": "",
        },
    ),
    ("failure_mode", {"label": "slips", "seeds": [1, 2], "count": 2, "resolved": False}),
    ("scenario_set", {"visibility": "open", "expires": "", "count": 3}),
    ("build", {"resources": {"wall_s": 1.0}, "command": {"verb": "fit"}}),
)
"""Fields that are as they should be; one after the other goes odd."""
BLOBS = ("exam.json", "episodes.json", "episodes.parquet", "audit.json")
LOCAL = "http://127.0.0.1:8484"
PLACES = {
    "simulator": "worlds",
    "policy": "policies",
    "evaluation": "evaluations",
    "dataset": "data",
    "audit": "audits",
}


def odd_registry(book: Book) -> dict[str, str]:
    """Versions of every kind whose fields hold anything; id to kind."""
    made: dict[str, str] = {}
    blob = book.registry.add_blob(b"[1, {")
    for k, odd in enumerate(ODD * max(len(fields) for _, fields in SOUND)):
        last: dict[str, str] = {}
        for kind, fields in SOUND:
            wrong = list(fields)[k // len(ODD) % len(fields)]
            fields = fields | {wrong: odd}
            # The registry itself reads the episodes of a dataset.
            blobs = {} if kind == "dataset" else dict.fromkeys(BLOBS, blob)
            manifest = Manifest(kind, f"odd/{kind}", fields | {"k": k}, blobs, tuple(edges(kind, last)))
            last[kind] = book.registry.register(manifest).id
            made[last[kind]] = kind
    return made


def edges(kind: str, last: dict[str, str]) -> Iterator[Edge]:
    """What a version of this kind rests on."""
    roles = {
        "simulator": (("trained_on", "dataset"),),
        "policy": (("trained_in", "simulator"), ("trained_on", "dataset")),
        "evaluation": (("evaluates", "policy"), ("evaluated_in", "simulator")),
        "claim": (("supports", "evaluation"),),
        "audit": (("affects", "evaluation"),),
        "failure_mode": (("observed_in", "evaluation"), ("affects", "policy"), ("hidden_by", "simulator")),
        "build": (("output", "policy"),),
    }
    for role, target in roles.get(kind, ()):
        yield Edge(role, last[target])


def test_odd_fields_break_no_page(book) -> None:
    made = odd_registry(book)
    app = create_app(Services(book, Settings(limits=Limits(burst=10**6))))
    asking = TestClient(app, LOCAL, raise_server_exceptions=False)
    lists = ("/", "/worlds", "/policies", "/lineage", "/evaluations", "/gate", "/data", "/runs", "/versions")
    api = (
        "home",
        "scores",
        "standings",
        "agreements",
        "audits",
        "decisions",
        "claims",
        "budgets",
        "failure-modes",
        "datasets",
    )
    own = [f"/{PLACES[kind]}/{one}" for one, kind in made.items() if kind in PLACES]
    own += [f"/api/v1/{PLACES[kind].replace('data', 'datasets')}/{one}" for one, kind in made.items() if kind in PLACES]
    own += [f"/versions/{one}" for one, kind in made.items() if kind not in PLACES]
    broken = [
        path
        for path in (*lists, *(f"/api/v1/{name}" for name in api), *own)
        if asking.get(path, headers={"accept": "text/html"}).status_code not in (200, 404)
    ]
    assert not broken
