"""A player's link: frames are paced, late inputs are dropped, slow browsers are spared, and all have an end."""

import asyncio
import json
from dataclasses import replace

import pytest
from play_worlds import COUNTER, OTHER, REAL, SEEN

from diorama.studio.play.lobby import FullError, Lobby
from diorama.studio.play.session import HEADER, LinkClosedError, Session

STEP = 0.02
OPEN = {"type": "open", "world": COUNTER.id, "start": {"seed": 1}, "rate": 60.0}


class Browser:
    """The other side of a link: says what it is told to, and keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[dict] = []
        self.pictures: list[bytes] = []
        self._said: asyncio.Queue = asyncio.Queue()
        self.answers = True
        self.seq = 0

    def say(self, message: dict | str | bytes) -> None:
        self._said.put_nowait(json.dumps(message) if isinstance(message, dict) else message)

    def leave(self) -> None:
        self._said.put_nowait(None)

    def input(self, **fields) -> None:
        self.seq += 1
        self.say({"type": "input", "seq": self.seq, "sent": float(self.seq), "seen": self.frame, **fields})

    @property
    def frame(self) -> int:
        return max((m["frame"] for m in self.heard if m["type"] == "frame"), default=0)

    def of(self, kind: str) -> list[dict]:
        return [m for m in self.heard if m["type"] == kind]

    async def receive(self) -> str | bytes:
        message = await self._said.get()
        if message is None:
            raise LinkClosedError
        return message

    async def send(self, text: str) -> None:
        self.heard.append(json.loads(text))
        if self.answers and self.heard[-1]["type"] == "frame":
            self.input(axes=[0.5])

    async def send_bytes(self, content: bytes) -> None:
        self.pictures.append(content)

    async def until(self, condition, seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(STEP)


def serve(lobby: Lobby, script) -> Browser:
    """Runs a script of a browser against a session until the script is done and the session is over."""

    async def both() -> Browser:
        browser = Browser()
        served = asyncio.ensure_future(Session(browser, lobby).run())
        try:
            await asyncio.wait_for(script(browser), 120)
            browser.leave()
            await asyncio.wait_for(served, 30)
        finally:
            served.cancel()
        return browser

    return asyncio.run(both())


def adjusted(lobby: Lobby, **changes) -> Lobby:
    """The same lobby with other bounds."""
    return Lobby(lobby.stable, lobby.library, replace(lobby.config, **changes), lobby._folder, lobby._book)


def test_every_step_is_shown_to_a_browser_that_keeps_up_with_the_input_it_used(lobby) -> None:
    async def script(browser) -> None:
        browser.say(OPEN)
        await browser.until(lambda: browser.frame >= 20)

    browser = serve(lobby, script)
    frames = browser.of("frame")
    assert [f["frame"] for f in frames] == list(range(1, len(frames) + 1))
    assert frames[-1]["skipped"] == 0 and frames[-1]["step"] == len(frames) - 1
    assert [f["worlds"][0]["values"][0] for f in frames] == [f["step"] for f in frames]
    echoed = [f["echo"]["seq"] for f in frames if f["echo"]]
    assert echoed == sorted(set(echoed)) and len(echoed) >= 15
    assert all(f["echo"]["sent"] == f["echo"]["seq"] and f["echo"]["held"] >= 0 for f in frames if f["echo"])


def test_late_inputs_are_dropped_and_not_queued(lobby) -> None:
    async def script(browser) -> None:
        browser.answers = False
        browser.say(OPEN | {"rate": 10.0})
        await browser.until(lambda: browser.frame >= 1)
        for _ in range(50):
            browser.input(axes=[1.0])
        await browser.until(lambda: any((f["echo"] or {}).get("seq") == 50 for f in browser.of("frame")))

    frames = serve(lobby, script).of("frame")
    used = [f["echo"]["seq"] for f in frames if f["echo"]]
    assert used[-1] == 50 and len(used) <= 3
    assert sum(f["late"] for f in frames) + len(used) == 50


def test_a_browser_that_draws_nothing_is_sent_nothing_more_while_the_world_goes_on(lobby) -> None:
    async def script(browser) -> None:
        browser.answers = False
        browser.say(OPEN)
        await browser.until(lambda: browser.frame >= lobby.config.in_flight)
        await asyncio.sleep(0.5)
        assert browser.frame == lobby.config.in_flight
        browser.input()
        await browser.until(lambda: browser.frame > lobby.config.in_flight)

    frames = serve(lobby, script).of("frame")
    after = frames[lobby.config.in_flight]
    assert after["skipped"] >= 5 and after["step"] == after["skipped"] + lobby.config.in_flight


def test_commands_change_the_play_and_errors_are_sentences(lobby) -> None:
    async def script(browser) -> None:
        browser.say({"type": "pause", "on": True})
        await browser.until(lambda: browser.of("error"))
        browser.say({"type": "open", "world": REAL.id, "beside": OTHER.id, "start": {"seed": 5}, "rate": 60.0})
        await browser.until(lambda: browser.frame >= 3)
        browser.say({"type": "switch", "world": OTHER.id, "again": True})
        await browser.until(lambda: len(browser.of("opened")) == 2)
        for message in (
            {"type": "open", "world": "../../etc/passwd"},
            {"type": "switch", "world": COUNTER.id},
            {"type": "rate", "rate": 7.0},
            {"type": "reset", "start": {"dataset": "none"}},
            {"type": "open", "world": REAL.id, "start": {"seed": 2**40}},
        ):
            before = len(browser.of("error"))
            browser.say(message)
            await browser.until(lambda before=before: len(browser.of("error")) > before)
        browser.say({"type": "pause", "on": True})
        await browser.until(lambda: browser.of("paused"))
        browser.say({"type": "ping", "sent": 5.0})
        await browser.until(lambda: browser.of("pong"))

    browser = serve(lobby, script)
    assert [w["id"] for w in browser.of("opened")[1]["worlds"]] == [OTHER.id, OTHER.id]
    texts = [m["text"] for m in browser.of("error")]
    assert len(texts) == 6 and all(text.endswith(".") for text in texts)
    assert "Open a world first" in texts[0] and "other actions" in texts[2]
    assert browser.of("pong") == [{"type": "pong", "sent": 5.0}]


def test_pictures_follow_their_frame(lobby) -> None:
    async def script(browser) -> None:
        browser.say({"type": "open", "world": SEEN.id, "start": {"seed": 1}, "rate": 60.0})
        await browser.until(lambda: browser.frame >= 4)

    browser = serve(lobby, script)
    slots = [HEADER.unpack_from(content) for content in browser.pictures]
    assert slots[:4] == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert all(content[HEADER.size :].startswith(b"\x89PNG") for content in browser.pictures)
    assert browser.of("frame")[0]["pictures"] == [0]


def test_hostile_messages_are_answered_until_there_are_too_many(lobby) -> None:
    async def script(browser) -> None:
        for k in range(30):
            browser.say(["{", b"\x00\xff", "x" * 10**6, '{"type":"input","axes":[NaN]}'][k % 4])
        await browser.until(lambda: browser.of("bye"))

    browser = serve(lobby, script)
    assert len(browser.of("error")) == 20 and "could not be read" in browser.of("bye")[0]["reason"]


def test_a_flood_is_cut_off_and_commands_do_not_pile_up(lobby) -> None:
    async def script(browser) -> None:
        browser.say(OPEN)
        await browser.until(lambda: browser.frame >= 1)
        for _ in range(20):
            browser.say({"type": "reset"})
        for _ in range(3000):
            browser.say({"type": "ping", "sent": 1.0})
        await browser.until(lambda: browser.of("pong"))
        await asyncio.sleep(0.3)

    browser = serve(lobby, script)
    assert len(browser.of("pong")) <= 2 * lobby.config.messages
    assert len(browser.of("opened")) < 20 and browser.of("error")


def test_who_does_nothing_is_sent_away(lobby) -> None:
    async def script(browser) -> None:
        browser.answers = False
        browser.say(OPEN)
        await browser.until(lambda: browser.frame >= 1)
        for _ in range(200):
            browser.input()
            await asyncio.sleep(STEP)
            if browser.of("bye"):
                return
        raise AssertionError("still there")

    browser = serve(adjusted(lobby, idle=0.5), script)
    assert "Nobody played" in browser.of("bye")[0]["reason"]


def test_there_are_only_so_many_seats_and_each_is_given_back(lobby) -> None:
    with lobby.seat(), lobby.seat(), pytest.raises(FullError, match="come back later"), lobby.seat():
        pass
    assert lobby.players == 0


def test_a_link_that_breaks_ends_the_session_and_keeps_the_recording(lobby) -> None:
    async def script(browser) -> None:
        browser.say(OPEN)
        await browser.until(lambda: browser.frame >= 1)
        browser.say({"type": "record", "on": True})
        await browser.until(lambda: any(f["recorded"] for f in browser.of("frame")))

    serve(lobby, script)
    assert [shelved.episodes for shelved in lobby.library.shelves()] == [1]
