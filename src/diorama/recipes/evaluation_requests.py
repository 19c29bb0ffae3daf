"""What the verbs that prepare an evaluation ask for: scenario sets and protocols. JAX-free."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from diorama.core.errors import ConfigError
from diorama.recipes.where import Where

At = Annotated[Where, arg(name="")]
Words = Annotated[tuple[str, ...], arg(metavar="FACTOR=A:B")]


@dataclass(frozen=True)
class Scenarios:
    """Draw a set of scenarios: a seed for each, and values of the factors of variation that shall vary.

    Example: diorama scenarios push-t --out wide.json --count 200 --seed 500000 --vary friction block_mass=0.5:2
    """

    task: Positional[str]
    """A registered environment, gym:ID, or file.py:NAME (a class, or a Task that says what success is)."""
    out: Path
    """The file to write."""
    count: int = 100
    """How many scenarios."""
    seed: int = 100_000
    """Seed of the first; scenario k has seed + k."""
    vary: Annotated[tuple[str, ...], arg(metavar="FACTOR[=A:B]")] = ()
    """Factors to draw anew in each scenario, uniform in their range, or from A to B."""
    visibility: Literal["open", "dev", "sealed"] = "open"
    """Who may see it. Looks at a sealed set are paid from the budget of its name, and need a registry."""
    expires: str = ""
    """Last day of its use, such as 2027-01-31. Default: never."""
    name: str | None = None
    """Name of its family in the registry. Default: by task and content."""
    at: At = Where()

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"--count is {self.count}; give at least 1.")
        if not 0 <= self.seed <= 2**32 - self.count:
            raise ConfigError(
                f"--seed is {self.seed}; seeds go from 0 to {2**32 - 1}, the last of {self.count} included."
            )
        ranges(self.vary)


@dataclass(frozen=True)
class Protocol:
    """Fix beforehand how policies are tested: metrics, how many episodes or when to stop, strata, what does not count.

    Example: diorama protocol push-t --out protocol.json --episodes 400 --stop sequential --width 0.05 --alpha 0.01
    """

    task: Positional[str]
    """A registered environment, gym:ID, or file.py:NAME (a class, or a Task that says what success is)."""
    out: Path
    """The file to write."""
    metrics: tuple[str, ...] = ()
    """Names of metrics; the first one decides. Default: all of the task."""
    episodes: int = 100
    """How many episodes, or with --stop sequential the most."""
    stop: Literal["fixed", "sequential"] = "fixed"
    """Play them all; or stop as soon as the deciding intervals are narrow, with intervals that allow that."""
    width: float = 0.1
    """With --stop sequential: stop where no deciding interval reaches farther than this."""
    batch: int = 25
    """Episodes between two looks."""
    alpha: float = 0.05
    """Error probability of each interval; a sequential protocol spends it from the budget of its name."""
    strata: Annotated[tuple[str, ...], arg(metavar="FACTOR=A:B:...")] = ()
    """Factors to part the episodes by, with the inner edges of the strata."""
    exclude: Words = ()
    """Factors with a range whose episodes do not count."""
    least: float | None = None
    """For a release: the success in reality that the lower end of its interval must reach. The options below go with
    it; see `diorama gate`."""
    budget: str = ""
    """Whose purses pay the real trials of the release."""
    estimation: int = 20
    """Least real starts of the estimation purse."""
    discovery: int = 0
    """Least real starts of the discovery purse."""
    worlds: int = 2
    """Least worlds other than reality."""
    structures: int = 2
    """Of how many different structures."""
    effective: float = 2.0
    """Least effective number of worlds; shared data or weights make two worlds count as less."""
    disagreement: float = 1.0
    """Greatest share of the starts on which the worlds differ that may be left without a real trial."""
    verdict: Literal["clean", "labelled", "unverifiable"] = "labelled"
    """Worst audit that passes."""
    evidence: Literal["L0", "L1", "L2", "L3", "L4", "L5", "L6", "L7"] = "L7"
    """Least rung of the evidence ladder."""
    channel: str = ""
    """Channel that is moved to a policy which passes."""
    name: str | None = None
    """Name of its family in the registry. Default: by task and content."""
    at: At = Where()

    def __post_init__(self) -> None:
        if (self.least is None) != (not self.budget):
            raise ConfigError("A release needs both --least and --budget: how good, and who pays for the real trials.")
        numbers(self.strata)
        if wrong := sorted(name for name, values in numbers(self.exclude).items() if len(values) != 2):
            raise ConfigError(f"--exclude takes a range A:B for each factor, which {wrong} lack.")


def ranges(words: tuple[str, ...]) -> dict[str, tuple[float, float] | None]:
    """``friction block_mass=0.5:2`` as a factor's name to its range, None for the factor's own."""
    bare = {word: None for word in words if "=" not in word}
    given = numbers(tuple(word for word in words if "=" in word))
    if wrong := sorted(name for name, values in given.items() if len(values) != 2):
        raise ConfigError(f"--vary takes FACTOR or FACTOR=A:B, which {wrong} are not.")
    return bare | {name: (values[0], values[1]) for name, values in given.items()}


def numbers(words: tuple[str, ...]) -> dict[str, tuple[float, ...]]:
    """``FACTOR=A:B:...`` as a factor's name to the numbers. Raises `ConfigError` for anything else."""
    found = {}
    for word in words:
        name, _, values = word.partition("=")
        try:
            found[name] = tuple(float(value) for value in values.split(":"))
        except ValueError as error:
            raise ConfigError(f"{word!r} cannot be read; write FACTOR=0.1:0.5.") from error
    return found
