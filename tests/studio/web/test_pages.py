"""Pages and API over the life of one world: advisory, patch, plan, replay, a new policy, rollback, revocation."""

import socket
import threading
import time
from pathlib import Path

import pytest
from story import HOSTILE, Story

from diorama.cli.main import main
from diorama.recipes.book import Book, Places
from diorama.registry.channels import rollback
from diorama.registry.records import ChannelEntry, Replay, Revocation
from diorama.registry.registry import Registry
from diorama.studio.web.app import create_app
from diorama.studio.web.ranges import part_of
from diorama.studio.web.services import Services

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FLAGS += ["--disable-sync", "--no-first-run"]
PAGES = ("/", "/worlds", "/policies", "/lineage", "/evaluations", "/gate", "/data", "/runs", "/versions", "/api")


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> Story:
    place = tmp_path_factory.mktemp("story") / "registry"
    with Book(Registry.open(place), Places(place)) as book:
        yield Story(book)


@pytest.fixture(scope="module")
def address(story) -> str:
    """A studio over the story, on a port of this machine."""
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(Services(story.book)), log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    listening.close()


@pytest.fixture(scope="module")
def browser() -> object:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed on this machine")
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


def chips(page, address: str, version: str) -> str:
    page.goto(f"{address}/versions/{version}")
    return page.inner_text("h1 .chip")


def test_the_story_in_a_browser(story, address, browser) -> None:
    """One page is used throughout; what it writes to its console is an error."""
    page, said = browser.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    page.goto(address)
    assert "push-t/b" in page.inner_text("h1") and "75 %" in page.inner_text("h1")
    assert page.inner_text(".answer .surely").lower() == "shown" and "paired over 20" in page.inner_text(".answer")
    story.advise()
    assert [chips(page, address, one) for one in (story.v1, story.a, story.b)] == ["STALE", "SUSPECT", "STALE"]
    page.goto(address)
    page.click(".todo a:has-text('what to do')")
    assert "blocks slide" in page.inner_text(".panel .causes")
    assert page.locator(".arrow.lit").count() == 1

    page.goto(f"{address}/lineage?of={story.real}&at={story.real}")
    page.click("text=If it were revoked")
    assert "2 versions would be worse off" in page.inner_text(".panel")
    story.patch()
    page.goto(f"{address}/lineage?of={story.v1}&at={story.v1}")
    assert "retrain" in page.inner_text(".panel") and "replay regression" in page.inner_text(".panel")

    story.log(Replay("ice", story.a, 4, 4, 0, story.v2))
    new = story.policy("push-t/b", story.v2, 0.9)
    assert [chips(page, address, one) for one in (story.a, new, story.b)] == ["FRESH", "FRESH", "STALE"]
    story.log(ChannelEntry("prod", new, "free of ice"))
    page.goto(address)
    assert new[:8] in page.inner_text("text=free of ice >> xpath=..")
    story.log(rollback(story.book.registry.graph(), "prod", reason="slower").entry)
    page.reload()
    assert story.b[:8] in page.inner_text("text=slower >> xpath=..")
    story.log(Revocation(story.low, "a loose camera"))
    assert [chips(page, address, one) for one in (story.low, story.a, new)] == ["INVALID", "INVALID", "FRESH"]
    page.goto(f"{address}/policies/{story.a}")
    assert "a loose camera" in page.inner_text(".why >> nth=0")
    assert said == []
    page.close()


def test_the_gate_says_what_is_missing(story, address) -> None:
    import httpx

    record = story.decide(story.b)
    for path in ("/gate", f"/audits/{record}"):
        text = httpx.get(address + path).text
        assert "must not be released" in text and "slips off" in text and "C1 knows." in text, path
        assert "The cheapest next step" in text and "diorama evaluate" in text and "75 % [53, 89], n = 20" in text
    told = httpx.get(f"{address}/api/v1/decisions").json()["items"][0]
    assert not told["passed"] and told["policy"]["id"] == story.b and told["level"] == "L0"
    assert "The gate was not asked yet" not in httpx.get(f"{address}/gate").text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone(story, address, browser, scheme) -> None:
    page, said = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme), []
    page.on("console", lambda message: said.append((page.url, message.text)))
    own = [f"/worlds/{story.v1}", f"/policies/{story.b}", f"/evaluations/{story.test_b}", f"/data/{story.data}"]
    own += [f"/policies/compare?a={story.b}&b={story.a}", f"/lineage?of={story.v1}&at={story.v1}&change=patch"]
    for path in (*PAGES, *own):
        assert page.goto(address + path).status == 200, path
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(16, 21, 26)") is (scheme == "dark") and said == []
    page.close()


def test_empty_pages_teach_the_next_command(client) -> None:
    asking = client()
    for path in PAGES[:-1]:
        found = asking.get(path)
        assert found.status_code == 200, path
        assert "diorama " in found.text.lower() and "unsafe" not in found.headers["content-security-policy"]


def test_hostile_names_stay_text(story, address) -> None:
    import httpx

    text = httpx.get(f"{address}/data").text
    assert HOSTILE not in text and "&lt;script&gt;" in text


def test_a_report_needs_nothing_else(story, tmp_path, capsys) -> None:
    place = str(Path(story.book.registry.file).parent)
    assert main(["report", "push-t/b", "--out", str(tmp_path / "b.html"), "--registry", place]) == 0
    text = (tmp_path / "b.html").read_text()
    assert "<script" not in text and 'href="/' not in text and 'src="/' not in text and "push-t/b" in text
    assert main(["report", "nothing", "--registry", place]) == 2 and "Nothing is called" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fregistry.sqlite", "0" * 63, "A" * 64, "0" * 64 + "/../x", "g" * 64])
def test_only_digests_are_ids(client, name) -> None:
    asking = client()
    for place in ("versions", "worlds", "policies", "datasets", "runs", "evaluations"):
        assert asking.get(f"/api/v1/{place}/{name}").status_code in (404, 422)
    assert asking.get(f"/api/v1/versions/{'0' * 64}").json()["error"].startswith("There is no version")


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 100)),
        ("bytes=-5", (95, 100)),
        ("bytes=99-500", (99, 100)),
        ("bytes=100-", None),
        ("bytes=5-1", None),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("lines=0-1", None),
        ("bytes=0-1,3-4", None),
    ],
)
def test_parts_of_files(asked, part) -> None:
    assert part_of(asked, 100) == part
