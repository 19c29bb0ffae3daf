"""One player's WebSocket: inputs in, frames out, paced by the server.

Only the newest input counts; older ones are dropped and counted. While the browser has not drawn enough of what was
sent, frames are skipped, and the world goes on. Nothing here grows while play goes on.
"""

import asyncio
import contextlib
import json
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, final, runtime_checkable

from diorama.core.errors import DioramaError
from diorama.studio.play import protocol
from diorama.studio.play.controls import Hands
from diorama.studio.play.lobby import Lobby
from diorama.studio.play.pacing import Pace
from diorama.studio.play.player import Player

SILENCE = 30.0
"""Time without any message after which a browser is taken to be gone [s]."""
_SLOW = 10.0
_COMMANDS = 8
_ERRORS = 20
_STILL = 0.5
HEADER = struct.Struct(">BI")
"""Before a picture: its slot (0 the main world, 1 the one beside it), and the number of its frame."""


@runtime_checkable
class Link(Protocol):
    """What a session needs of a WebSocket."""

    async def receive(self) -> str | bytes:
        """The next message. Raises `LinkClosedError` when there will be none."""

    async def send(self, text: str) -> None:
        """Send text. Raises `LinkClosedError`."""

    async def send_bytes(self, content: bytes) -> None:
        """Send bytes. Raises `LinkClosedError`."""


class LinkClosedError(Exception):
    """The other side is gone."""


class FarewellError(Exception):
    """The session ends, for the reason given."""


@final
class Session:
    """Plays for one link until it closes, or for a reason that the player is told."""

    def __init__(self, link: Link, lobby: Lobby, clock: Callable[[], float] = time.monotonic) -> None:
        self._link, self._config, self._clock = link, lobby.config, clock
        self._player, self._pace = Player(lobby), Pace(clock)
        self._hands, self._newest = Hands(), (0, 0.0, 0.0)
        self._used: tuple[int, float, float] | None = None
        self._commands: asyncio.Queue[protocol.Message] = asyncio.Queue(_COMMANDS)
        self._unseen: deque[int] = deque(maxlen=self._config.in_flight)
        self._heard = self._acted = clock()
        self._frame = self._late = self._skipped = self._errors = 0
        self._fresh = False
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Serve the link; returns when it is over. What was being recorded is kept."""
        tasks = {asyncio.ensure_future(self._read()), asyncio.ensure_future(self._serve())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(DioramaError):
                await self._player.leave()
        for task in done:
            await self._explain(task)

    async def _explain(self, task: "asyncio.Future[None]") -> None:
        """Tell the player why it is over, where somebody still listens; raise what nobody expected."""
        try:
            task.result()
        except LinkClosedError:
            return
        except FarewellError as error:
            with contextlib.suppress(LinkClosedError, FarewellError):
                await self._say({"type": "bye", "reason": str(error)})

    async def _read(self) -> None:
        window, count = self._clock(), 0
        while True:
            text = await self._link.receive()
            self._heard = self._clock()
            if self._heard - window >= 1.0:
                window, count = self._heard, 0
            count += 1
            if count > self._config.messages:
                continue
            try:
                await self._hear(protocol.parse(text, self._config.message))
            except protocol.ProtocolError as error:
                await self._complain(error)

    async def _hear(self, message: protocol.Message) -> None:
        if isinstance(message, protocol.Ping):
            await self._say({"type": "pong", "sent": message.sent})
        elif isinstance(message, protocol.Input):
            self._take_in(message)
        elif self._commands.full():
            raise protocol.ProtocolError("Too many commands wait; let the last ones finish.")
        else:
            self._acted = self._heard
            self._commands.put_nowait(message)

    def _take_in(self, message: protocol.Input) -> None:
        """The newest input replaces the last one; what was drawn makes room for the next frames."""
        self._late += self._fresh
        self._hands, self._fresh = message.hands, True
        self._newest = (message.seq, message.sent, self._heard)
        while self._unseen and self._unseen[0] <= min(message.seen, self._frame):
            self._unseen.popleft()
        if not message.hands.off:
            self._acted = self._heard

    async def _complain(self, error: DioramaError) -> None:
        self._errors += 1
        await self._say({"type": "error", "text": str(error)})
        if self._errors >= _ERRORS:
            raise FarewellError("Too many messages could not be read.")

    async def _serve(self) -> None:
        while True:
            self._check_alive()
            command = await self._next_command()
            if command is not None:
                await self._obey(command)
            elif self._player.running and self._pace.left() <= 0:
                await self._turn()

    def _check_alive(self) -> None:
        now = self._clock()
        if now - self._heard > SILENCE:
            raise FarewellError("The browser no longer answers.")
        if now - self._acted > self._config.idle:
            raise FarewellError("Nobody played for a while; open it again to go on.")

    async def _next_command(self) -> protocol.Message | None:
        """A command, or None when a step is due or some time has passed."""
        with contextlib.suppress(asyncio.QueueEmpty):
            return self._commands.get_nowait()
        wait = min(self._pace.left(), _STILL) if self._player.running else _STILL
        if wait > 0:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self._commands.get(), wait)
        return None

    async def _obey(self, message: protocol.Message) -> None:
        """Do what a command says, tell what came of it, and show where things stand."""
        slow = isinstance(message, protocol.Open | protocol.Switch | protocol.Beside | protocol.Reset)
        if slow:
            await self._say({"type": "loading"})
        try:
            told = await self._player.obey(message)
        except DioramaError as error:
            told = [{"type": "error", "text": str(error)}]
        for each in told:
            await self._say(each)
        if any(each["type"] == "opened" for each in told):
            self._unseen.clear()
            await self._show(0.0)
        # Loading may take longer than a browser may be silent.
        self._heard = self._acted = self._clock()
        self._pace.set(self._player.period)

    async def _turn(self) -> None:
        """One step of the world, and its frame where the browser keeps up."""
        self._pace.tick()
        begun, hands = time.perf_counter(), self._hands
        if self._fresh:
            # What comes in while the world steps is for the next step.
            self._used, self._fresh = self._newest, False
        told = await self._player.turn(hands)
        if len(self._unseen) < self._config.in_flight:
            await self._show(time.perf_counter() - begun)
        else:
            self._skipped += 1
        for each in told:
            await self._say(each)

    async def _show(self, spent: float) -> None:
        """Send the frame of now, and echo the newest input that it is the first to use; ``spent``: by its step [s]."""
        begun = time.perf_counter()
        fields, pictures = await self._player.shown()
        self._frame += 1
        self._unseen.append(self._frame)
        (used, self._used), (late, self._late) = (self._used, None), (self._late, 0)
        echo = used and {"seq": used[0], "sent": used[1], "held": _ms(self._clock() - used[2])}
        message = {
            "type": "frame",
            "frame": self._frame,
            **fields,
            "pictures": [slot for slot, _ in pictures],
            "echo": echo,
            "late": late,
            "skipped": self._skipped,
            "behind": self._pace.behind,
            "ms": {"step": _ms(spent), "show": _ms(time.perf_counter() - begun)},
        }
        await self._say(message, [HEADER.pack(slot, self._frame) + picture for slot, picture in pictures])

    async def _say(self, message: dict[str, Any], pictures: Sequence[bytes] = ()) -> None:
        text = json.dumps(message, separators=(",", ":"), allow_nan=False)
        try:
            async with asyncio.timeout(_SLOW), self._sending:
                await self._link.send(text)
                for picture in pictures:
                    await self._link.send_bytes(picture)
        except TimeoutError as error:
            raise FarewellError("The browser takes no more frames.") from error


def _ms(seconds: float) -> float:
    return round(1e3 * seconds, 2)
