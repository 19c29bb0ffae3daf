"""The worlds that can be driven: what is on offer, loaded and compiled once, and handed out one drive at a time."""

import abc
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from diorama.core import Env, HostEnv
from diorama.core.errors import ConfigError
from diorama.imagine.world import Imagined
from diorama.studio.play.config import PlayConfig
from diorama.studio.play.drives import Drive, HostDrive, JaxDrive, ModelDrive, warmed
from diorama.studio.play.scenes import Start

Loaded = Env | HostEnv


@dataclass(frozen=True)
class Offer:
    """A world that can be driven.

    ``id``: what a player asks for it by; nothing else of it comes from a player. ``kind``: ``real``, ``physics``,
    ``learned`` or ``hybrid``. ``arena``: worlds of one arena take the same actions, so that play can go from one to
    the other. ``version``: id in the registry, None without one. ``place``: the folder of
    its artifact, None without one.
    """

    id: str
    title: str
    kind: str
    family: str
    arena: str
    version: str | None = None
    place: Path | None = None

    @property
    def ends(self) -> bool:
        """Whether play is over when the world says so: physics knows, a network may be wrong."""
        return self.kind in ("real", "physics")


class Stall(abc.ABC):
    """Where worlds come from."""

    @abc.abstractmethod
    def offers(self) -> Sequence[Offer]:
        """What there is now, in the order in which it is shown."""

    @abc.abstractmethod
    def load(self, offer: Offer) -> Loaded:
        """A new world of this offer. Raises `DioramaError` where it cannot be made."""


@final
class Stable:
    """All stalls together. ``drive`` may be called from several threads."""

    def __init__(self, stalls: Sequence[Stall], config: PlayConfig) -> None:
        self._stalls, self._config = tuple(stalls), config
        self._held: OrderedDict[str, Loaded] = OrderedDict()
        self._warm: set[str] = set()
        self._loading = threading.Lock()

    def offers(self) -> list[Offer]:
        """Everything that can be driven now; the first of two with the same id counts."""
        found: dict[str, Offer] = {}
        for stall in self._stalls:
            for offer in stall.offers():
                found.setdefault(offer.id, offer)
        return list(found.values())

    def find(self, wanted: str) -> Offer:
        """The offer of this id. Raises `ConfigError` where there is none."""
        for offer in self.offers():
            if offer.id == wanted:
                return offer
        raise ConfigError("There is no such world to play in; choose one of the list.")

    def real(self, arena: str) -> Offer | None:
        """What stands for reality in an arena."""
        return next((offer for offer in self.offers() if offer.arena == arena and offer.kind == "real"), None)

    def world(self, offer: Offer) -> Loaded:
        """The world of an offer: a new one where a world keeps state of its own, else the one that is held."""
        with self._loading:
            if offer.id in self._held:
                self._held.move_to_end(offer.id)
                return self._held[offer.id]
            world = self._loaded(offer)
            if not isinstance(world, HostEnv):
                self._held[offer.id] = world
                while len(self._held) > self._config.worlds:
                    self._warm.discard(self._held.popitem(last=False)[0])
            return world

    def drive(self, offer: Offer, start: Start) -> Drive:
        """A drive of one's own, with everything compiled that it needs."""
        drive = self._drive(offer, self.world(offer))
        with self._loading:
            if offer.id not in self._warm:
                warmed(drive, start)
                self._warm.add(offer.id)
        return drive

    def _loaded(self, offer: Offer) -> Loaded:
        for stall in self._stalls:
            if offer in stall.offers():
                return stall.load(offer)
        raise ConfigError("This world is no longer on offer; choose another one.")

    def _drive(self, offer: Offer, world: Loaded) -> Drive:
        if isinstance(world, HostEnv):
            return HostDrive(world, offer.kind == "real")
        if isinstance(world, Imagined):
            return ModelDrive(world, self._config.draws)
        return JaxDrive(world)


@final
class Shelf(Stall):
    """A fixed list of worlds, each with what makes it."""

    def __init__(self, worlds: Sequence[tuple[Offer, Callable[[], Loaded]]]) -> None:
        self._makers = dict(worlds)

    def offers(self) -> Sequence[Offer]:
        """See `Stall`."""
        return tuple(self._makers)

    def load(self, offer: Offer) -> Loaded:
        """See `Stall`."""
        return self._makers[offer]()
