"""What routes are made from: the registry, its snapshot, the settings, templates and assets. One per application."""

import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from diorama.recipes.book import Book
from diorama.studio.web.answers.datasets import Datasets
from diorama.studio.web.answers.home import home
from diorama.studio.web.answers.pairs import Tables
from diorama.studio.web.answers.runs import Runs
from diorama.studio.web.answers.worlds import Exams
from diorama.studio.web.assets import Asset, load_assets
from diorama.studio.web.films.workshop import Workshop
from diorama.studio.web.rendering import environment
from diorama.studio.web.reports import as_report
from diorama.studio.web.settings import Settings
from diorama.studio.web.snapshot import Snapshot, Snapshots


@dataclass
class Services:
    """Everything that a route may use. Routers are functions of it, such as ``play_router(services)``.

    ``book``: the registry with the places of files; ``settings``; ``menu``: what the navigation shows, as
    (address, words); a router that brings a page of its own appends to it. Beside these it holds what reads and keeps:
    ``tables`` of episodes, ``exams``, ``datasets``, ``runs``, and the ``workshop`` for slow work.
    """

    book: Book
    settings: Settings = field(default_factory=Settings)
    menu: list[tuple[str, str]] = field(default_factory=list)
    assets: Mapping[str, Asset] = field(default_factory=load_assets)

    def __post_init__(self) -> None:
        registry = self.book.registry
        self.snapshots, self.workshop = Snapshots(registry), Workshop()
        self.tables, self.exams, self.datasets = Tables(registry), Exams(registry), Datasets(self.book)
        self.runs = Runs(self.book, self.settings.runs)
        self.templates = environment(self.assets)

    def snapshot(self) -> Snapshot:
        """The registry now."""
        return self.snapshots.current()

    def warm(self) -> None:
        """Read the registry and work out the first page, before anybody asks for it.

        What a server holds from now on is not searched for garbage again and again: that took a third of a large page.
        """
        home(self.snapshot(), self.tables)
        self.templates.get_template("home.html")
        gc.collect()
        gc.freeze()

    def page(self, request: Request, template: str, /, *, status: int = 200, **context: Any) -> HTMLResponse:
        """A page from a template of ``studio/web/templates`` or ``studio/play/templates``.

        Values are escaped. The template extends ``base.html`` and sees ``menu``, ``here`` (the path), ``now`` and
        ``asset(name)``, the address of a shipped file. With ``?report=1`` it is one file that needs nothing else.
        """
        report = request.query_params.get("report") == "1"
        given = {"menu": self.menu, "here": request.url.path, "now": time.time(), "private": bool(self.settings.token)}
        given |= {"report": report, "style": Markup(self.assets["studio.css"].content.decode())}
        text = self.templates.get_template(template).render(given | context)
        return as_report(text, request.url.path) if report else HTMLResponse(text, status)
