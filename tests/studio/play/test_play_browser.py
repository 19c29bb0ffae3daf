"""The page in a browser: drag the pusher and see the block move, switch the world, record, guess; on a phone too."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from play_worlds import CONFIG, WORLDS

from diorama.studio.play import opening, router
from diorama.studio.web.services import Services
from diorama.studio.web.settings import Settings

CHROMIUM = shutil.which("chromium")
WAIT = 90.0
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


@pytest.fixture
def address(book, monkeypatch) -> Iterator[str]:
    """A studio that serves the small worlds on a free port of this machine."""
    uvicorn = pytest.importorskip("uvicorn", reason="the extra studio is not installed")
    from diorama.studio.web.app import create_app

    monkeypatch.setattr(opening, "plain_worlds", lambda: WORLDS)
    monkeypatch.setattr(router, "PlayConfig", lambda: CONFIG)
    about = {"log_level": "warning", "lifespan": "off", "ws": "websockets-sansio"}
    server = uvicorn.Server(uvicorn.Config(create_app(Services(book, Settings())), "127.0.0.1", 0, **about))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(address) -> Iterator:
    """A page of a headless Chromium; an error in it fails the test."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        browser.close()
        assert not errors, errors


def wait(condition: Callable[[], bool], seconds: float = WAIT) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)


def pose(page, slot: int = 0) -> list[float]:
    return page.evaluate(f"dioramaPlay.state.frame.worlds[{slot}].pose")


def drawn(page, more: int = 2) -> None:
    before = page.evaluate("dioramaPlay.state.drawn")
    wait(lambda: page.evaluate("dioramaPlay.state.drawn") >= before + more)


def test_the_whole_of_play(page, address) -> None:
    page.goto(f"{address}/play")
    page.wait_for_selector("#begin:not([disabled])")
    page.select_option("#world", "push-t")
    page.select_option("#beside", "other")
    page.select_option("#rate", "20")
    page.fill("#seed", "3")
    page.click("#begin")
    wait(lambda: page.evaluate("dioramaPlay.state.drawn") > 1)
    box, begun = page.locator("#canvas-0").bounding_box(), pose(page)

    def point(x: float, y: float) -> None:
        page.mouse.move(box["x"] + box["width"] * x / 512, box["y"] + box["height"] * y / 512)

    # The pusher goes around nothing: the block lies between it and the lower left corner.
    point(begun[0], begun[1])
    page.mouse.down()
    point(150, 300)
    wait(lambda: abs(pose(page)[2] - begun[2]) + abs(pose(page)[3] - begun[3]) > 5)
    page.mouse.up()
    assert page.evaluate("dioramaPlay.meter.latencies.length") > 3
    # Keys drive it too, and the world is switched without a jump.
    page.locator("#canvas-0").focus()
    before = pose(page)
    page.keyboard.down("ArrowRight")
    wait(lambda: pose(page)[0] > before[0] + 10)
    page.keyboard.up("ArrowRight")
    drawn(page)
    before = pose(page)
    page.select_option("#world", "other")
    wait(lambda: page.evaluate("dioramaPlay.state.opened.worlds[0].id") == "other")
    drawn(page)
    assert max(abs(a - b) for a, b in zip(pose(page)[2:4], before[2:4], strict=True)) < 5
    # A recording says where it went.
    page.click("#record")
    wait(lambda: (page.evaluate("dioramaPlay.state.frame.recorded") or 0) > 2)
    page.click("#record")
    wait(lambda: page.locator("#status").inner_text().startswith("Kept"))
    folder = page.locator("#status").inner_text().split(" of ", 1)[1].split(" (origin: physics")[0]
    assert (Path(folder) / "meta" / "info.json").is_file()
    wait(lambda: page.locator("#from option").count() == 2)
    page.screenshot(path=str(Path(folder).parent / "play.png"))


def test_a_narrow_dark_page_fits_and_shows_pictures(page, address) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}/play")
    page.wait_for_selector("#begin:not([disabled])")
    page.select_option("#world", "seen")
    page.click("#begin")
    wait(lambda: page.evaluate("dioramaPlay.state.drawn") > 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("dioramaPlay.state.slots[0].bitmap.width") == 16
    # Somebody without a mouse gets everywhere.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_a_round_of_the_game(page, address) -> None:
    page.goto(f"{address}/play/game")
    page.wait_for_selector("#begin:not([disabled])")
    page.select_option("#world", "other")
    page.click("#begin")
    for number in range(CONFIG.guesses):
        page.wait_for_selector("#pick-0:not([disabled])")
        page.keyboard.press("Digit1")
        wait(lambda number=number: page.evaluate("dioramaGame.number") == number + 1)
        if number + 1 < CONFIG.guesses:
            page.wait_for_selector("#next:not([hidden])")
            page.click("#next")
    wait(lambda: page.evaluate('!document.getElementById("meter").hidden'), 5)
    text = page.locator("#verdict").inner_text()
    assert "chance is 50 %" in text and "of 4 pairs" in text
