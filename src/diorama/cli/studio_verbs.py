"""What ``diorama studio`` and ``diorama report`` do. Nothing here needs JAX; FastAPI is imported when it is used."""

import os

from diorama.cli.answering import find, opened, say
from diorama.core.errors import ConfigError
from diorama.core.files import write_atomically
from diorama.recipes import studio_requests as requests
from diorama.studio.web.serve import needed, serve
from diorama.studio.web.settings import Settings


def studio(request: requests.Studio) -> int:
    """Serve the studio until it is interrupted."""
    token = _token(request)
    settings = Settings(request.host, request.port, token, request.allow_host, request.runs)
    with opened(request.at) as book:
        serve(book, settings, say)
    return 0


def report(request: requests.Report) -> int:
    """Write a page of the studio as one file."""
    needed()
    from diorama.studio.web.offline import report_of
    from diorama.studio.web.pages.links import address

    with opened(request.at) as book:
        path = "/" if request.what is None else address(book.registry.get(find(book, request.what)))
        text = report_of(book, path)
    request.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(request.out, text)
    say(f"report: {request.out}")
    return 0


def _token(request: requests.Studio) -> str:
    if request.token_file is None:
        return request.token or os.environ.get(requests.TOKEN, "")
    try:
        token = request.token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The token cannot be read from {request.token_file} ({error}); mend the file.") from error
    if not token:
        raise ConfigError(f"{request.token_file} is empty; write the token into it.")
    return token
