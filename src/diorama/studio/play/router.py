"""The routes of interactive play, as the studio's application takes them."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, final

from fastapi import APIRouter, Request, WebSocket
from fastapi import Path as PathParameter
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse
from starlette.websockets import WebSocketDisconnect, WebSocketState

from diorama.studio.play.config import PlayConfig
from diorama.studio.web.api.shared import ERRORS
from diorama.studio.web.services import Services

if TYPE_CHECKING:
    from diorama.studio.play.lobby import Lobby

CLOSE_FULL = 1013
"""Try again later."""


def play_router(services: Services, config: PlayConfig | None = None) -> APIRouter:
    """HTTP and WebSocket routes under ``/play`` and ``/api/v1/play``.

    They lie behind the studio's authentication, which also checks Host and Origin of WebSockets. Worlds are loaded when
    somebody plays, not before.
    """
    doors = Doors(services, config or PlayConfig())
    router = APIRouter(responses=ERRORS)
    services.menu.append(("/play", "Play"))

    @router.get("/play", include_in_schema=False)
    def page(request: Request) -> HTMLResponse:
        return services.page(request, "play.html")

    @router.get("/api/v1/play/worlds", tags=["play"])
    def worlds() -> dict[str, Any]:
        """The worlds that can be driven, the datasets to begin from, and the frame rates."""
        return doors.lobby().listing()

    @router.websocket("/api/v1/play/session")
    async def session(socket: WebSocket) -> None:
        await doors.play(socket)

    _add_game(router, services, doors)
    return router


class Choice(BaseModel):
    """Which world a round of the game is about."""

    world: str = Field(max_length=200)


class Guess(BaseModel):
    """Which of two clips is real: 0 is the first one shown, 1 the second."""

    choice: Literal[0, 1]


RoundId = Annotated[str, PathParameter(max_length=40, description="The id of a round, as beginning it gave it.")]
PairNumber = Annotated[int, PathParameter(ge=0, le=1000, description="The number of a pair in the round, from 0.")]


def _add_game(router: APIRouter, services: Services, doors: "Doors") -> None:
    """The game: which is real?"""

    @router.get("/play/game", include_in_schema=False)
    def game_page(request: Request) -> HTMLResponse:
        return services.page(request, "game.html")

    @router.post("/api/v1/play/rounds", tags=["play"])
    def begin(choice: Choice) -> dict[str, Any]:
        """Begin a round: so many pairs of clips, one of reality and one of the world."""
        made = doors.lobby().game.begin(choice.world)
        return {"id": made.id, "world": made.offer.title, "pairs": len(made.pairs)}

    @router.get("/api/v1/play/rounds/{round_id}", tags=["play"])
    def standing(round_id: RoundId) -> dict[str, Any]:
        """How a round stands; with the interval of its score once it is over."""
        return doors.lobby().game.standing(round_id)

    @router.get("/api/v1/play/rounds/{round_id}/pairs/{number}", tags=["play"])
    def pair(round_id: RoundId, number: PairNumber) -> dict[str, Any]:
        """The two clips of a pair; nothing in the answer says which one is real."""
        return doors.lobby().game.clips(round_id, number)

    @router.post("/api/v1/play/rounds/{round_id}/pairs/{number}", tags=["play"])
    def guess(round_id: RoundId, number: PairNumber, said: Guess) -> dict[str, Any]:
        """Say which clip is real, once; whether that was right, and how the round stands."""
        return doors.lobby().game.guess(round_id, number, said.choice)


@final
class Doors:
    """Opens the lobby when it is first asked for: the studio starts without loading what only play needs."""

    def __init__(self, services: Services, config: PlayConfig) -> None:
        self._services, self._config = services, config
        self._lobby: Lobby | None = None
        self._lock = threading.Lock()

    def lobby(self) -> "Lobby":
        """The one lobby. May take seconds, once."""
        from diorama.studio.play.opening import open_lobby

        with self._lock:
            if self._lobby is None:
                self._lobby = open_lobby(self._services, self._config, home_of(self._services))
            return self._lobby

    async def play(self, socket: WebSocket) -> None:
        """Serve one player from the handshake to the end."""
        import anyio.to_thread

        from diorama.studio.play.lobby import FullError
        from diorama.studio.play.session import Session

        await socket.accept()
        lobby = await anyio.to_thread.run_sync(self.lobby)
        try:
            with lobby.seat():
                await Session(SocketLink(socket), lobby).run()
        except FullError as error:
            await socket.send_json({"type": "bye", "reason": str(error)})
            await socket.close(CLOSE_FULL)
            return
        if socket.client_state == WebSocketState.CONNECTED and socket.application_state == WebSocketState.CONNECTED:
            await socket.close()


@final
class SocketLink:
    """A WebSocket of Starlette as what a session needs."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes:
        """See `diorama.studio.play.session.Link`."""
        from diorama.studio.play.session import LinkClosedError

        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            raise LinkClosedError
        text = message.get("text")
        return message.get("bytes") or b"" if text is None else text

    async def send(self, text: str) -> None:
        """See `diorama.studio.play.session.Link`."""
        await self._sent({"type": "websocket.send", "text": text})

    async def send_bytes(self, content: bytes) -> None:
        """See `diorama.studio.play.session.Link`."""
        await self._sent({"type": "websocket.send", "bytes": content})

    async def _sent(self, message: dict[str, Any]) -> None:
        from diorama.studio.play.session import LinkClosedError

        try:
            await self._socket.send(message)
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            # Starlette raises RuntimeError where the socket was closed meanwhile.
            raise LinkClosedError from error


def home_of(services: Services) -> Path:
    """Where play keeps recordings and results: beside the registry, or in the working folder."""
    file = services.book.registry.file
    return (file.parent if file is not None else Path.cwd() / ".diorama") / "play"
