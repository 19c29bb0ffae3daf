"""What the verbs ask for that look for what can go wrong. JAX-free."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from diorama.core.errors import ConfigError
from diorama.recipes.where import Where

Json = Annotated[bool, FlagCreatePairsOff, arg(help="Print JSON for machines.")]
At = Annotated[Where, arg(name="")]
_SEEDS = 2**32


@dataclass(frozen=True)
class Exploit:
    """Find out whether a policy lives on the faults of its world: seven detectors, a verdict, a trust per episode.

    E1 judges from real data disagree, E2 nobody has been there, E3 success outlives its actions, E4 the score leaves
    that of other worlds, E5 progress deep in imagination is missing from real frames, E6 laws are broken, E7 successes
    are of low trust. Exit code 1 where exploitation is shown.

    Example: diorama exploit runs/policy runs/world --dataset data --others push-t push-t-mujoco
    """

    policy: Positional[str]
    """The policy, by name or folder."""
    world: Positional[str]
    """The world that it was optimised in, by name or folder."""
    dataset: Path
    """Recorded reality: a part of it is the training data of the judges, the rest calibrates."""
    env: str = "push-t"
    """The task."""
    others: tuple[str, ...] = ()
    """Worlds of other structure to compare scores with. Default: the task's reality."""
    checkpoints: tuple[str, ...] = ()
    """Earlier states of the policy, in order; the policy itself is the last."""
    judges: tuple[Path, ...] = ()
    """Worlds fitted to real data that judge what the world shows. Default: the members of the world where it has some,
    else a ridge regression."""
    episodes: int = 32
    """How many episodes."""
    seed: int = 600_000
    """Seed of the first episode."""
    length: int | None = None
    """Most steps of an episode. Default: the task's own."""
    out: Path | None = None
    """Where to write the findings as JSON, and beside them the episodes with their trust (.parquet)."""
    at: At = Where()
    json: Json = False

    def __post_init__(self) -> None:
        _counts(self.episodes, self.seed, self.length)


@dataclass(frozen=True)
class Failures:
    """Say on a page how a policy fails: modes, where they gather, and which worlds hide them. Registers each mode.

    The failures of an evaluation in reality are run again there, grouped by how they end, and replayed in every world
    named: same start, same first actions, then the policy. What all worlds hide is named first.

    Example: diorama failures runs/evaluation/episodes.parquet --policy runs/policy --worlds push-t-mujoco runs/world
    """

    evaluation: Positional[str]
    """An evaluation in reality: a version of the registry, or a table of episodes (.parquet)."""
    policy: str | None = None
    """The policy, by name or folder. Default: the one that the evaluation names."""
    worlds: tuple[str, ...] = ()
    """Worlds to replay the failures in, by name or folder."""
    env: str = "push-t"
    """The task."""
    share: float = 0.5
    """The share of each failure's actions that is replayed before the policy takes over."""
    length: int | None = None
    """Most steps of an episode. Default: the task's own."""
    most: int = 60
    """At most so many failures are run again."""
    out: Path | None = None
    """Where to write the page (.txt)."""
    at: At = Where()
    json: Json = False

    def __post_init__(self) -> None:
        _counts(self.most, 0, self.length)
        if not 0 <= self.share <= 1:
            raise ConfigError(f"--share is {self.share}; give 0 to 1.")


def _counts(count: int, seed: int, length: int | None) -> None:
    if count < 1 or (length is not None and length < 1):
        raise ConfigError("Counts of episodes and steps must be at least 1.")
    if not 0 <= seed <= _SEEDS - count:
        raise ConfigError(f"--seed is {seed}; seeds go from 0 to {_SEEDS - 1}.")
