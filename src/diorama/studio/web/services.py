"""What routes are made from: the registry, its snapshot, the settings, templates and assets. One per application."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from diorama.recipes.book import Book
from diorama.studio.web.assets import Asset, load_assets
from diorama.studio.web.rendering import environment
from diorama.studio.web.settings import Settings
from diorama.studio.web.snapshot import Snapshot, Snapshots


@dataclass
class Services:
    """Everything that a route may use. Routers are functions of it, such as ``play_router(services)``.

    ``book``: the registry with the places of files; ``settings``; ``menu``: what the navigation shows, as
    (address, words); a router that brings a page of its own appends to it.
    """

    book: Book
    settings: Settings = field(default_factory=Settings)
    menu: list[tuple[str, str]] = field(default_factory=list)
    assets: Mapping[str, Asset] = field(default_factory=load_assets)

    def __post_init__(self) -> None:
        self.snapshots = Snapshots(self.book.registry)
        self.templates = environment(self.assets)

    def snapshot(self) -> Snapshot:
        """The registry now."""
        return self.snapshots.current()

    def page(self, request: Request, template: str, /, *, status: int = 200, **context: Any) -> HTMLResponse:
        """A page from a template of ``studio/web/templates`` or ``studio/play/templates``.

        Values are escaped. The template extends ``base.html`` and sees ``menu``, ``here`` (the path), ``now`` and
        ``asset(name)``, the address of a shipped file.
        """
        given = {"menu": self.menu, "here": request.url.path, "now": time.time(), "private": bool(self.settings.token)}
        return HTMLResponse(self.templates.get_template(template).render(given | context), status)
