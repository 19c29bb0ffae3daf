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

    Example: diorama audit push-t/policy/evaluation --probe
    """

    evaluation: Positional[str]
    """The evaluation: an id or its beginning, or a family's name (its newest version)."""
    at: At = Where()
    json: Json = False
    accept: Accept = "clean"
    """The worst verdict with exit code 0."""
    probe: Flag = False
    """First play for the checks C11 to C13: new starts, disturbed factors, a blind policy, replayed training data."""
    episodes: int = 50
    """With --probe: episodes of each condition; there is one for every factor of the world, and four more."""
    axes: tuple[str, ...] = ()
    """With --probe: factors to disturb. Default: all that the world can be told."""
    policy: str | None = None
    """With --probe: where the policy is, if the registry does not keep it: NET.onnx, file.py:Class, a run folder."""
    world: str | None = None
    """With --probe: where the world is, if the registry does not keep it."""
    items: Path | None = None
    """With --probe: folder of finished work, so that nothing is done twice. Default: in the user's cache."""
    key: Path | None = None
    """Sign the audit with this private key. Default: $DIORAMA_KEY, else the audit is not signed."""
    dry_run: Flag = False
    """Register nothing."""

    def __post_init__(self) -> None:
        if self.episodes < 2:
            raise ConfigError(f"--episodes is {self.episodes}; give at least 2.")
        if not self.probe and (self.axes or self.policy or self.world or self.items):
            raise ConfigError("--axes, --policy, --world and --items go with --probe; nothing is played without it.")


@dataclass(frozen=True)
class BudgetPlan:
    """Propose the next real trials: which starts, from which purse, with what probability and why.

    The policies must have been evaluated in at least one world on common seeds; those seeds are the list of starts.
    The trials are paid from the budget's purses at once (`diorama budget grant`), one for each start and policy.

    Example: diorama budget plan lab-2026 push-t/policy --estimation 60 --discovery 20
    """

    budget: Positional[str]
    """Name of the budget."""
    policies: Positional[tuple[str, ...]]
    """The policies to try on the same starts."""
    estimation: int = 0
    """Starts drawn with known probabilities, for the estimate. From 50 on they are stratified."""
    discovery: int = 0
    """Starts aimed where the worlds disagree, trust or coverage is low, or a patch was made."""
    seed: int = 0
    """Seed of the draw."""
    level: float = 0.95
    """Confidence level of the estimate."""
    at: At = Where()
    json: Json = False
    dry_run: Flag = False
    """Show the plan; register and pay nothing."""

    def __post_init__(self) -> None:
        if min(self.estimation, self.discovery) < 0 or self.estimation + self.discovery < 1:
            raise ConfigError("Give --estimation or --discovery a number of starts.")
        if not self.policies or len(set(self.policies)) != len(self.policies):
            raise ConfigError("Name one or more different policies to try.")


@dataclass(frozen=True)
class BudgetRun:
    """Do the trials of the newest plan in a world that stands for reality, and record them.

    Example: diorama budget run lab-2026 --world push-t
    """

    budget: Positional[str]
    """Name of the budget."""
    world: str = "push-t"
    """The task whose own world is reality: push-t, or one of yours that says what success is, file.py:NAME."""
    policy: tuple[str, ...] = ()
    """Where policies are, if the registry does not keep them: NET.onnx, file.py:Class, a run folder."""
    at: At = Where()
    json: Json = False


@dataclass(frozen=True)
class BudgetWorksheet:
    """Write a blinded, randomised sheet of the newest plan's trials, and its key apart from it.

    The folder gets sheet.csv (to fill in), sheet.html and sheet.md (to print). Keep the key from whoever does trials.

    Example: diorama budget worksheet lab-2026 --out sheets --key keys/lab-2026.json
    """

    budget: Positional[str]
    """Name of the budget."""
    out: Path
    """Folder of the sheet."""
    key: Path
    """Where to write the key; outside the folder of the sheet."""
    at: At = Where()


@dataclass(frozen=True)
class BudgetRecord:
    """Record the outcomes of a sheet. With the key, and when no trial is open, unblind it and estimate.

    Example: diorama budget record lab-2026 sheets/sheet.csv --key keys/lab-2026.json
    """

    budget: Positional[str]
    """Name of the budget."""
    sheet: Positional[Path]
    """The CSV with outcomes filled in; trials without an outcome stay open."""
    key: Path | None = None
    """The key of the sheet. It is refused while a trial is open."""
    at: At = Where()
    json: Json = False


@dataclass(frozen=True)
class BudgetReport:
    """Say what the newest plan's trials say: the planned estimate, beside it without the worlds, and what is open.

    Example: diorama budget report lab-2026
    """

    budget: Positional[str]
    """Name of the budget."""
    at: At = Where()
    json: Json = False


@dataclass(frozen=True)
class Gate:
    """Decide whether a policy may be released, by a protocol that was written before the evidence was looked at.

    Asks for contract, standing, worlds, audits, disagreement, both purses of real trials, hidden failure modes and the
    level of evidence. Where it passes: registers the claim, signs it, moves the channel. Exit code 0 where it passes,
    1 where it refuses, with the cheapest next step.

    Example: diorama gate push-t/policy --protocol release.json --page gate.html
    """

    policy: Positional[str]
    """The policy: an id or its beginning, a family's name, a channel, or a run folder."""
    protocol: str
    """A protocol with a release part: the file of `diorama protocol --least ... --budget ...`, or its name in the
    registry."""
    at: At = Where()
    json: Json = False
    page: Path | None = None
    """Where to write the page for the release manager (HTML, and the same as Markdown)."""
    key: Path | None = None
    """Sign the claim and the audits with this private key. Default: $DIORAMA_KEY, else nothing is signed."""
    dry_run: Flag = False
    """Decide only; register, sign and move nothing."""
