"""One player: the play, its pauses and recordings, and what each command does to them."""

from typing import Any, final

from diorama.core.errors import ConfigError, DioramaError
from diorama.studio.play import protocol
from diorama.studio.play.controls import Hands
from diorama.studio.play.engine import Play, Seat
from diorama.studio.play.lobby import Lobby
from diorama.studio.play.recording import Take

Told = list[dict[str, Any]]
"""Messages for the browser."""


@final
class Player:
    """What a session does when it is told to; everything slow happens in the threads of the lobby."""

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        self._play: Play | None = None
        self._take: Take | None = None
        self._past_end = False
        self.paused = False
        self.rate = 0.0

    @property
    def running(self) -> bool:
        """Whether the world goes on by itself."""
        return self._play is not None and not self.paused

    @property
    def period(self) -> float:
        """Time between two steps [s]."""
        own = 1.0 if self._play is None else self._play.main.drive.spec.control_period
        return 1.0 / self.rate if self.rate else own

    @property
    def recorded(self) -> int | None:
        """Steps of the recording that goes on; None without one."""
        return None if self._take is None else len(self._take.steps)

    async def turn(self, hands: Hands) -> Told:
        """One step of the world."""
        play = self._opened()
        told: Told = []
        try:
            await self._lobby.step(lambda: play.act(hands))
        except DioramaError as error:
            self.paused = True
            return [{"type": "paused", "on": True, "reason": str(error)}]
        if self._take is not None and self._take.over:
            told += await self._finish(keep=True)
        if play.main.scene.end and play.main.offer.ends and not self._past_end:
            self._past_end = self.paused = True
            told.append({"type": "paused", "on": True, "reason": "The world ended: begin again, or go on."})
        return told

    async def shown(self) -> tuple[dict[str, Any], list[tuple[int, bytes]]]:
        """What is seen now: the fields of a frame, and a picture for each slot that has one."""
        play = self._opened()
        drawn = await self._lobby.step(lambda: [(_numbers(s), s.view.picture(s.scene)) for s in _seats(play)])
        fields = {
            "step": play.step_number,
            "time": round(play.step_number * play.main.drive.spec.control_period, 3),
            "worlds": [numbers for numbers, _ in drawn],
            "apart": play.apart,
            "recorded": self.recorded,
        }
        return fields, [(slot, picture) for slot, (_, picture) in enumerate(drawn) if picture is not None]

    async def obey(self, message: protocol.Message) -> Told:
        """Do what a command says. Raises `DioramaError`; then nothing was changed."""
        if isinstance(message, protocol.Open):
            return await self._open(message)
        play = self._opened()
        if isinstance(message, protocol.Switch | protocol.Beside):
            return await self._change(play, message)
        if isinstance(message, protocol.Reset):
            return await self._reset(play, message)
        if isinstance(message, protocol.Record):
            return await self._record(play, message)
        if isinstance(message, protocol.Rate):
            self.rate = self._known_rate(message.rate)
            return [{"type": "rate", "rate": self.rate, "period": self.period}]
        self.paused = isinstance(message, protocol.Pause) and message.on
        return [{"type": "paused", "on": self.paused, "reason": ""}]

    def _opened(self) -> Play:
        if self._play is None:
            raise ConfigError("Open a world first.")
        return self._play

    def _known_rate(self, rate: float) -> float:
        if rate not in self._lobby.config.rates:
            raise ConfigError(f"The frame rates are {list(self._lobby.config.rates)}; choose one of them.")
        return rate

    async def _open(self, wish: protocol.Open) -> Told:
        rate = self._known_rate(wish.rate)
        told = await self._finish(keep=True)
        self._play = await self._lobby.load(lambda: self._lobby.open(wish.world, wish.beside, wish.start))
        self.rate = rate
        self._begun()
        return [*told, self._opening()]

    async def _change(self, play: Play, wish: protocol.Switch | protocol.Beside) -> Told:
        offer = self._lobby.stable.find(wish.world) if wish.world else None
        if isinstance(wish, protocol.Beside):
            await self._lobby.load(lambda: play.put_beside(offer, wish.again))
            return [self._opening()]
        if offer is None:
            raise ConfigError("Name the world to switch to.")
        # A recording is of one world, so that what came from where is known.
        told = await self._finish(keep=True)
        await self._lobby.load(lambda: play.switch(offer, wish.again))
        self._begun()
        return [*told, self._opening()]

    async def _reset(self, play: Play, wish: protocol.Reset) -> Told:
        told = await self._finish(keep=True)
        begin = wish.start
        start = None if begin is None else await self._lobby.load(lambda: self._lobby.start(play.main.offer, begin))
        await self._lobby.load(lambda: play.reset(start))
        self._begun()
        return [*told, self._opening()]

    async def _record(self, play: Play, wish: protocol.Record) -> Told:
        if not wish.on:
            return await self._finish(wish.keep)
        if self._take is not None:
            raise ConfigError("A recording goes on already; end it first.")
        label = f"{play.start.label}, after {play.step_number} steps"
        self._take = Take(play.main.offer, play.main.drive.spec, label, self._lobby.config.recorded)
        play.told = self._take.hear
        return [{"type": "recording", "on": True}]

    async def _finish(self, keep: bool) -> Told:
        """End the recording that goes on, if any."""
        take, self._take = self._take, None
        if take is None:
            return []
        self._opened().told = lambda passed: None
        if not keep or not take.steps:
            return [{"type": "recording", "on": False}]
        saved = await self._lobby.load(lambda: self._lobby.save(take))
        where = {"folder": str(saved.folder), "episode": saved.episode, "steps": saved.steps, "version": saved.version}
        return [{"type": "recording", "on": False, "saved": where | {"origin": take.offer.kind}}]

    async def leave(self) -> None:
        """The player is gone: keep what was being recorded."""
        await self._finish(keep=True)

    def _begun(self) -> None:
        self.paused = self._past_end = False

    def _opening(self) -> dict[str, Any]:
        """What the browser must know before the next frame."""
        play = self._opened()
        worlds = [
            {"id": s.offer.id, "title": s.offer.title, "kind": s.offer.kind, "view": s.view.about} for s in _seats(play)
        ]
        spec = play.main.drive.spec
        action = {"size": spec.action.size, "names": list(spec.action.names), "unit": spec.action.unit}
        return {
            "type": "opened",
            "worlds": worlds,
            "action": action,
            "start": play.start.label,
            "control_period": spec.control_period,
            "rate": self.rate,
            "period": self.period,
        }


def _seats(play: Play) -> list[Seat]:
    return [play.main] if play.beside is None else [play.main, play.beside]


def _numbers(seat: Seat) -> dict[str, Any]:
    scene = seat.scene
    said = {"reward": float(f"{scene.reward:.5g}"), "end": scene.end, "unsure": float(f"{scene.spread:.4g}")}
    return said | seat.view.numbers(scene)
