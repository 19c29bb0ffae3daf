"""Who gets in: every route and WebSocket is refused without the token; Host and Origin; sizes, rates, headers."""

import re

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from diorama.cli.main import main
from diorama.core.errors import ConfigError
from diorama.studio.web.access import OPEN
from diorama.studio.web.app import create_app
from diorama.studio.web.guards import Buckets
from diorama.studio.web.services import Services
from diorama.studio.web.settings import Limits, Settings

TOKEN = "a-token-for-tests-0123456789"
OTHERS = Settings(host="0.0.0.0", token=TOKEN)
FAR, NEAR = "ws://192.0.2.7:8484", "ws://127.0.0.1:8484"
DIGEST = "0" * 64
WRONG = ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}, {"cookie": "diorama_studio=x"})


def walk(app: FastAPI) -> list[tuple[str, str]]:
    """Every (method, path) of the application, "WS" for a WebSocket, with parameters filled in."""
    found, waiting = [], [("", route) for route in app.routes]
    while waiting:
        before, route = waiting.pop()
        included = getattr(route, "original_router", None)
        if included is not None or isinstance(route, Mount):
            waiting += [(before + getattr(route, "path", ""), one) for one in (included or route).routes]
            continue
        path = before + re.sub(r"{[^}]*}", DIGEST, route.path)
        if isinstance(route, WebSocketRoute):
            found.append(("WS", path))
        else:
            assert isinstance(route, Route), route
            found += [(method, path) for method in sorted(route.methods or ())]
    return found


def probed(services: Services) -> FastAPI:
    """The studio with one WebSocket of the test, so that there always is one to try."""
    app, router = create_app(services), APIRouter()

    @router.websocket("/play/probe")
    async def probe(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("open")
        await socket.close()

    app.include_router(router)
    return app


@pytest.fixture
def guarded(book) -> TestClient:
    return TestClient(
        probed(Services(book, OTHERS)), "http://192.0.2.7:8484", raise_server_exceptions=False, follow_redirects=False
    )


def test_nothing_answers_without_the_token(guarded) -> None:
    routes = walk(guarded.app)
    assert {"GET", "POST", "WS"} <= {method for method, _ in routes} and len(routes) > 4
    for method, path in routes:
        if (method, path) in OPEN:
            continue
        for headers in WRONG:
            if method == "WS":
                with (
                    pytest.raises(WebSocketDisconnect) as closed,
                    guarded.websocket_connect(FAR + path, headers=headers),
                ):
                    pass
                assert closed.value.code == 1008
            else:
                answered = guarded.request(method, path, headers=headers)
                assert answered.status_code == 401, (method, path, answered.status_code)
                assert TOKEN not in answered.text


def test_a_path_that_does_not_exist_is_refused_too(guarded) -> None:
    assert guarded.get("/assets/studio.css/../../x").status_code == 401
    assert guarded.get("/nowhere").status_code == 401


def test_the_token_opens(guarded) -> None:
    known = {"authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/", headers=known).status_code == 200
    with guarded.websocket_connect(FAR + "/play/probe", headers=known) as socket:
        assert socket.receive_text() == "open"


def test_a_browser_is_asked_once(guarded) -> None:
    asked = guarded.get("/", headers={"accept": "text/html"})
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=/")
    assert guarded.get("/login").status_code == 200
    wrong = guarded.post("/login", content="token=nonsense")
    assert wrong.status_code == 403 and "set-cookie" not in wrong.headers
    right = guarded.post("/login", content=f"token={TOKEN}&next=//evil.example")
    assert (right.status_code, right.headers["location"]) == (303, "/")
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    assert guarded.get("/").status_code == 200


def test_wrong_tokens_are_counted(guarded) -> None:
    codes = [guarded.post("/login", content="token=x").status_code for _ in range(7)]
    assert codes[:5] == [403] * 5 and codes[5:] == [429] * 2


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8484", 200),
        ("localhost:8484", 200),
        ("[::1]:8484", 200),
        ("evil.example", 403),
        ("evil.example:8484", 403),
        ("192.0.2.7:8484", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1:8484@evil.example", 403),
        ("2130706433", 403),
        ("0x7f000001:8484", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_only_our_names_are_answered(client, host, status) -> None:
    assert client().get("/", headers={"host": host}).status_code == status


def test_a_name_can_be_allowed(client) -> None:
    settings = Settings(host="0.0.0.0", token=TOKEN, names=("lab.example.org",))
    headers = {"authorization": f"Bearer {TOKEN}", "host": "lab.example.org"}
    assert client(settings).get("/", headers=headers).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9999", "null", "file://127.0.0.1:8484"])
def test_other_sites_are_refused(book, origin) -> None:
    local = TestClient(probed(Services(book)), "http://127.0.0.1:8484", raise_server_exceptions=False)
    assert local.post("/login", headers={"origin": origin}).status_code == 403
    with pytest.raises(WebSocketDisconnect), local.websocket_connect(NEAR + "/play/probe", headers={"origin": origin}):
        pass
    assert local.post("/login", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    with local.websocket_connect(NEAR + "/play/probe", headers={"origin": "http://127.0.0.1:8484"}) as socket:
        assert socket.receive_text() == "open"


def test_every_answer_carries_the_headers(client) -> None:
    local = client()
    for path in ("/", "/nowhere", "/assets/studio.css", "/api/v1/openapi.json"):
        headers = local.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy, path
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"


def test_large_requests_are_refused(client) -> None:
    local = client(Settings(limits=Limits(body=100)))
    assert local.post("/login", content=b"x" * 101).status_code == 413
    assert local.post("/login", content=iter([b"x" * 60, b"x" * 60])).status_code == 413
    assert local.post("/login", content=b"x" * 100).status_code == 403
    assert local.get("/?" + "x" * 5000).status_code == 414


def test_many_requests_are_refused(client) -> None:
    local = client(Settings(limits=Limits(burst=3, rate=0.001)))
    assert [local.get("/assets/studio.css").status_code for _ in range(5)] == [200, 200, 200, 429, 429]


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    buckets = Buckets(2, 1.0, lambda: now[0])
    assert [buckets.take("a") for _ in range(3)] == [True, True, False] and buckets.take("b")
    now[0] = 1.0
    assert [buckets.take("a") for _ in range(2)] == [True, False]


def test_errors_are_sentences_and_tell_nothing(book, caplog) -> None:
    app = create_app(Services(book, OTHERS))

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("a detail")

    asking = TestClient(app, "http://192.0.2.7:8484", raise_server_exceptions=False)
    answered = asking.get("/broken?secret=1", headers={"authorization": f"Bearer {TOKEN}"})
    assert answered.status_code == 500 and "a detail" not in answered.text and "terminal" in answered.json()["error"]
    assert "GET /broken broke" in caplog.text and TOKEN not in caplog.text and "secret" not in caplog.text
    page = asking.get("/nowhere", headers={"authorization": f"Bearer {TOKEN}", "accept": "text/html"})
    assert page.status_code == 404 and "<h1>There is no such page" in page.text


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "%2e%2e/settings.py", "studio.css%00", "STUDIO.CSS"])
def test_assets_are_a_table_and_no_folder(client, name) -> None:
    assert client().get(f"/assets/{name}").status_code == 404


def test_others_need_a_token() -> None:
    for host in ("0.0.0.0", "192.0.2.7", "::", "lab.example.org"):
        with pytest.raises(ConfigError, match="needs a token"):
            Settings(host=host)
    assert Settings(host="::1").token == "" and Settings(host="127.9.9.9").port == 8484
    with pytest.raises(ConfigError, match="16"):
        Settings(host="0.0.0.0", token="short")


def test_the_verb_refuses_in_sentences(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setenv("DIORAMA_REGISTRY", str(tmp_path / "registry"))
    assert main(["studio", "--host", "0.0.0.0"]) == 2
    assert "needs a token" in capsys.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    assert main(["studio"]) == 2
    assert "pip install 'diorama[studio]'" in capsys.readouterr().err
