"""Which registry a request means. JAX-free, and free of the database.

What the request names, else the variable ``DIORAMA_REGISTRY``, else ``.diorama`` in the working folder. ``none``
switches registering off; nothing is then registered, and nothing else changes.
"""

import os
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg

VARIABLE, DEFAULT, OFF = "DIORAMA_REGISTRY", ".diorama", "none"


@dataclass(frozen=True)
class Where:
    """Which registry, and what counts energy."""

    registry: Annotated[str | None, arg(metavar="FOLDER|none")] = None
    """Folder of the registry, or none. Default: $DIORAMA_REGISTRY, else .diorama."""
    no_registry: Annotated[bool, FlagCreatePairsOff] = False
    """Register nothing."""
    watts: float | None = None
    """Power to estimate energy from where nothing measures it; it is recorded as an estimate."""

    @property
    def place(self) -> str:
        """The registry's place, or ``none``."""
        return OFF if self.no_registry else self.registry or os.environ.get(VARIABLE) or DEFAULT
