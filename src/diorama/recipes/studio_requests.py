"""What the verbs of the studio ask for. JAX-free, and free of FastAPI."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from diorama.core.errors import ConfigError
from diorama.recipes.where import Where

At = Annotated[Where, arg(name="")]
TOKEN = "DIORAMA_STUDIO_TOKEN"
"""The variable that holds the studio's token where no option names one."""


@dataclass(frozen=True)
class Report:
    """Write the studio's page of a version as one HTML file that needs nothing else; the first page without X.

    Example: diorama report push-t/policy --out policy.html
    """

    what: Positional[str | None] = None
    """A version: an id or its beginning, a family's name, a channel, or a run folder. Default: the first page."""
    out: Path = Path("report.html")
    """The file to write."""
    at: At = Where()


@dataclass(frozen=True)
class Studio:
    """Look at the registry and its runs in a browser: worlds, policies, lineage, evaluations, data, live runs.

    Listens on this machine only. Any other --host needs a token: the variable DIORAMA_STUDIO_TOKEN, or --token-file.

    Example: diorama studio
    """

    host: str = "127.0.0.1"
    """The address to listen on; 0.0.0.0 for every one of this machine."""
    port: int = 8484
    """The port; 0 for any free one."""
    token: str | None = None
    """The token that callers must know. Others on this machine can read command lines: prefer the other two ways."""
    token_file: Path | None = None
    """A file that holds the token."""
    allow_host: tuple[str, ...] = ()
    """Further names by which browsers call this machine, such as lab.example.org."""
    runs: tuple[Path, ...] = (Path("runs"),)
    """Folders that hold run folders, for runs that have registered nothing yet."""
    at: At = Where()

    def __post_init__(self) -> None:
        if self.token is not None and self.token_file is not None:
            raise ConfigError("A token comes from --token or from --token-file; give one of them.")
