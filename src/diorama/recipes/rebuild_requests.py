"""What each verb that makes new versions from old ones asks for. JAX-free."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from diorama.core.errors import ConfigError
from diorama.recipes.where import Where

Flag = Annotated[bool, FlagCreatePairsOff]
Json = Annotated[bool, FlagCreatePairsOff, arg(help="Print JSON for machines.")]
At = Annotated[Where, arg(name="")]


@dataclass(frozen=True)
class Patch:
    """Make a new version of a world, derived from the old one by a patch.

    Example: diorama patch push-t/world --data data --out runs/v2 --closes friction
    """

    world: Positional[str]
    """The world to patch: an id or its beginning, a family's name, a channel, or a run folder."""
    at: At = Where()
    data: Path | None = None
    """Go on learning from this dataset: the old episodes and those that were added."""
    fix: Path | None = None
    """Take this world instead: a run folder, or the folder of an artifact, that was mended in another way."""
    out: Path | None = None
    """The run folder of the new version (with --data). The same command continues an interrupted run."""
    updates: int | None = None
    """Gradient updates (with --data). Default: half of those of the world's first fit."""
    closes: str | None = None
    """The advisory that this version is free of; it is filed again with the new version in fixed_in."""

    def __post_init__(self) -> None:
        if (self.data is None) == (self.fix is None):
            raise ConfigError("A patch takes either --data or --fix; give one of them.")
        if self.data is not None and self.out is None:
            raise ConfigError("Learning from --data needs a run folder; give --out.")


@dataclass(frozen=True)
class Plan:
    """List what to do downstream when NEW takes the place of OLD, with costs and expected negative flips.

    Example: diorama plan runs/v1 runs/v2
    """

    old: Positional[str]
    """The version that is replaced."""
    new: Positional[str]
    """The version that takes its place."""
    at: At = Where()
    json: Json = False
    finetune: Flag = False
    """Fine-tune policies where that is a choice, instead of training them anew."""
    retrain: tuple[str, ...] = ()
    """Make these anew even where their status does not ask for it."""


@dataclass(frozen=True)
class Rebuild:
    """Carry a plan out: replay, re-evaluate, retrain. What was made before is reused and costs nothing.

    Example: diorama rebuild runs/v1 runs/v2 --only runs/b
    """

    old: Positional[str]
    """The version that is replaced."""
    new: Positional[str]
    """The version that takes its place."""
    at: At = Where()
    json: Json = False
    only: tuple[str, ...] = ()
    """Only these versions and what measures them. Default: the whole plan."""
    retrain: tuple[str, ...] = ()
    """Make these anew even where their status does not ask for it."""
    finetune: Flag = False
    """Fine-tune policies where that is a choice; the debt stays on the record."""
    out: Path = Path("rebuilds")
    """Where the new run folders go."""


@dataclass(frozen=True)
class Replay:
    """Replay an advisory's regression scenarios on a policy, in the old world and in the new one.

    Example: diorama replay runs/a friction --world runs/v2
    """

    policy: Positional[str]
    """The policy."""
    advisory: Positional[str]
    """The advisory's id."""
    world: str
    """The world to replay in; it must be free of the defect."""
    at: At = Where()
    json: Json = False
