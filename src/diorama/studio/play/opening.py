"""The lobby of a studio: every world and dataset that it knows."""

from pathlib import Path

from diorama.studio.play.config import PlayConfig
from diorama.studio.play.library import Library
from diorama.studio.play.lobby import Lobby
from diorama.studio.play.registered import RegistryStall, RunsStall, registry_shelves
from diorama.studio.play.sources import plain_worlds
from diorama.studio.play.stable import Loaded, Shelf, Stable
from diorama.studio.web.services import Services


def open_lobby(services: Services, config: PlayConfig, home: Path) -> Lobby:
    """Reality and physics, then the runs that the studio was started with, then the registry's worlds.

    ``home``: where recordings go, and what is unpacked.
    """
    plain = plain_worlds()
    makers = {offer.arena: maker for offer, maker in plain if offer.kind == "real"}

    def real(arena: str) -> Loaded | None:
        return makers[arena]() if arena in makers else None

    stalls = [
        Shelf(plain),
        RunsStall(services.book, services.settings.runs, real),
        RegistryStall(services.book, home / "worlds", real),
    ]
    library = Library(registry_shelves(services.book))
    return Lobby(Stable(stalls, config), library, config, home, services.book)
