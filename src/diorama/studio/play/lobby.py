"""What all players share: the worlds, the threads that step and load them, and how many may play."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, final

from diorama.core.errors import ConfigError
from diorama.recipes.book import Book
from diorama.studio.play.config import PlayConfig
from diorama.studio.play.engine import Play
from diorama.studio.play.game import Game
from diorama.studio.play.library import Library
from diorama.studio.play.protocol import StartWish
from diorama.studio.play.recording import Saved, Take, save
from diorama.studio.play.scenes import Start
from diorama.studio.play.stable import Offer, Stable
from diorama.studio.play.starts import recorded, seeded

Answer = TypeVar("Answer")
RECORDINGS = "recordings"
GUESSES = "guesses.jsonl"
"""In the folder: every guess of the game."""
_STEPPERS = 2


class FullError(ConfigError):
    """As many play as may."""


@final
class Lobby:
    """One for each application.

    ``folder``: where recordings and guesses go; ``book``: where recordings are registered, or None.
    """

    def __init__(
        self, stable: Stable, library: Library, config: PlayConfig, folder: Path, book: Book | None = None
    ) -> None:
        self.stable, self.library, self.config = stable, library, config
        self._folder, self._book = folder, book
        self.game = Game(stable, config, folder / GUESSES)
        self._steppers = ThreadPoolExecutor(_STEPPERS, "play-step")
        # One at a time: compiling takes all cores anyway, and a dataset has one writer.
        self._loaders = ThreadPoolExecutor(1, "play-load")
        self.players = 0

    @contextlib.contextmanager
    def seat(self) -> Iterator[None]:
        """A place to play. Raises `FullError` where there is none left."""
        if self.players >= self.config.sessions:
            raise FullError(f"{self.players} already play, which is all this studio takes; come back later.")
        self.players += 1
        try:
            yield
        finally:
            self.players -= 1

    async def step(self, work: Callable[[], Answer]) -> Answer:
        """Do something short beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._steppers, work)

    async def load(self, work: Callable[[], Answer]) -> Answer:
        """Do something that may take long beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._loaders, work)

    def open(self, world: str, beside: str, wish: StartWish) -> Play:
        """Play in a world. Raises `DioramaError` where that cannot be."""
        offer = self.stable.find(world)
        play = Play(self.stable, self.config, offer, self.start(offer, wish))
        if beside:
            play.put_beside(self.stable.find(beside), again=False)
        return play

    def start(self, offer: Offer, wish: StartWish) -> Start:
        """The start that a player wishes for. Raises `DioramaError` where there is none such."""
        if not wish.dataset:
            return seeded(self.stable, offer, wish.seed)
        shelf = self.library.find(wish.dataset)
        return recorded(self.library.dataset(shelf), shelf.title, wish.episode, wish.row, self.config.context)

    def save(self, take: Take) -> Saved:
        """Keep a recording. Raises `DataError` where it cannot be written."""
        return save(take, self._folder / RECORDINGS, self._book, self.stable.world(take.offer))

    def listing(self) -> dict[str, Any]:
        """What can be played, as JSON values."""
        offers = self.stable.offers()
        return {
            "worlds": [
                {"id": o.id, "title": o.title, "kind": o.kind, "family": o.family, "arena": o.arena} for o in offers
            ],
            "datasets": [
                {"id": d.id, "title": d.title, "arena": d.arena, "episodes": d.episodes} for d in self.library.shelves()
            ],
            "rates": list(self.config.rates),
            "players": self.players,
            "sessions": self.config.sessions,
        }
