"""What ``diorama studio`` does. Nothing here needs JAX, and FastAPI is imported when the server starts."""

import os

from diorama.cli.answering import opened, say
from diorama.core.errors import ConfigError
from diorama.recipes import studio_requests as requests
from diorama.studio.web.serve import serve
from diorama.studio.web.settings import Settings


def studio(request: requests.Studio) -> int:
    """Serve the studio until it is interrupted."""
    token = _token(request)
    settings = Settings(request.host, request.port, token, request.allow_host, request.runs)
    with opened(request.at) as book:
        serve(book, settings, say)
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
