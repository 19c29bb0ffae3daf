"""The routes of interactive play, as the studio's application takes them."""

from fastapi import APIRouter

from diorama.studio.web.services import Services


def play_router(services: Services) -> APIRouter:
    """HTTP and WebSocket routes under ``/play`` and ``/api/v1/play``.

    They lie behind the studio's authentication, which also checks Host and Origin of WebSockets, so they need none of
    their own. Templates in ``studio/play/templates`` extend ``base.html`` and are rendered by ``services.page``;
    scripts and styles in ``studio/play/assets`` are served under ``/assets/NAME``; neither may be inline in a page. The
    page is shown in the navigation by ``services.menu.append(("/play", "Play"))``.
    """
    return APIRouter()
