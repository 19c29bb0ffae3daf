"""What the studio is told when it starts. JAX-free, and free of FastAPI."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from diorama.core.errors import ConfigError

LOCAL_NAMES = ("localhost",)
TOKEN_LETTERS = 16
"""The shortest token that is taken [characters]."""


@dataclass(frozen=True)
class Limits:
    """How much one client may ask for.

    ``body``: largest request body [bytes]; ``address``: longest path and query together [bytes]; ``burst`` requests at
    once, refilled at ``rate`` [requests/s], for each client address; ``logins`` wrong tokens at once, one more every
    ten seconds.
    """

    body: int = 2**20
    address: int = 4096
    burst: int = 600
    rate: float = 120.0
    logins: int = 5


@dataclass(frozen=True)
class Settings:
    """Where the studio listens, who may ask, and where runs lie.

    ``token``: "" for none, which is allowed on a loopback address only. ``names``: further host names by which
    browsers may call this server. ``runs``: folders whose run folders are shown although no version is noted there.
    """

    host: str = "127.0.0.1"
    port: int = 8484
    token: str = ""
    names: tuple[str, ...] = ()
    runs: tuple[Path, ...] = ()
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if not self.token and not is_loopback(self.host):
            raise ConfigError(
                f"{self.host} can be reached by others, so the studio needs a token there: "
                "set the variable DIORAMA_STUDIO_TOKEN, give --token-file, or listen on 127.0.0.1."
            )
        if self.token and (len(self.token) < TOKEN_LETTERS or not self.token.isascii()):
            raise ConfigError(f"A token has at least {TOKEN_LETTERS} letters or digits; make one with `openssl rand`.")
        if not 0 <= self.port < 65536:
            raise ConfigError(f"{self.port} is no port; give a number from 0 (any free one) to 65535.")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address or a name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOCAL_NAMES
