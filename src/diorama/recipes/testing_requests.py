"""What the verbs of honest testing ask for: audit, budget, gate. JAX-free; Python functions take the same objects."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

from diorama.core.errors import ConfigError
from diorama.recipes.where import Where

Flag = Annotated[bool, FlagCreatePairsOff]
Json = Annotated[bool, FlagCreatePairsOff, arg(help="Print JSON for machines.")]
At = Annotated[Where, arg(name="")]
Accept = Literal["clean", "labelled", "unverifiable"]


@dataclass(frozen=True)
class Audit:
    """Ask of an evaluation whether anybody had seen its answers: checks C1 to C16 with witnesses and a verdict.

    Exit code 0 where the verdict is as good as --accept, else 1 (contaminated), 3 (labelled) or 4 (unverifiable).

    Example: diorama audit push-t/policy/evaluation
    """

    evaluation: Positional[str]
    """The evaluation: an id or its beginning, or a family's name (its newest version)."""
    at: At = Where()
    json: Json = False
    accept: Accept = "clean"
    """The worst verdict with exit code 0."""
    probe: Flag = False
    """Play the episodes that C11 to C13 need (new starts, perturbations, shortcuts) before."""
    episodes: int = 50
    """Episodes of each probe."""
    key: Path | None = None
    """Sign the audit with this private key. Default: $DIORAMA_KEY, else the audit is not signed."""
    dry_run: Flag = False
    """Register nothing."""

    def __post_init__(self) -> None:
        if self.episodes < 2:
            raise ConfigError(f"--episodes is {self.episodes}; give at least 2.")
