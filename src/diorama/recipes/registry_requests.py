"""What each verb of the registry asks for. JAX-free; the Python functions take the same objects."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

from diorama.core.errors import ConfigError
from diorama.recipes.where import Where

Format = Literal["slsa", "cyclonedx", "openlineage", "model-card", "mlflow"]
Kind = Literal["simulator", "policy"]
Flag = Annotated[bool, FlagCreatePairsOff]
Json = Annotated[bool, FlagCreatePairsOff, arg(help="Print JSON for machines.")]
At = Annotated[Where, arg(name="")]


@dataclass(frozen=True)
class Check:
    """Look for damage: missing or altered blobs, broken manifests, half-written work. Exit code 1 where there is any.

    Example: diorama registry check
    """

    at: At = Where()
    json: Json = False


@dataclass(frozen=True)
class Collection:
    """Remove blobs that no version names and what a writer that died left behind; never anything registered.

    Example: diorama registry gc --dry-run
    """

    at: At = Where()
    json: Json = False
    dry_run: Flag = False
    """Only say what would go."""


@dataclass(frozen=True)
class Restore:
    """Register again what a damaged database lost, from the manifests beside it. The log cannot be restored.

    Example: diorama registry restore
    """

    at: At = Where()


@dataclass(frozen=True)
class List:
    """List versions, the newest first.

    Example: diorama registry list --kind policy
    """

    at: At = Where()
    json: Json = False
    kind: str | None = None
    """Only this kind: dataset, simulator, policy, evaluation, claim, build, ..."""
    name: str | None = None
    """Only this family."""
    containing: str = ""
    """Only families with this in their name."""
    on: str | None = None
    """Only what rests directly on this version."""
    limit: int = 50
    """At most so many."""
    before: int | None = None
    """The next page: the number that the page before names."""


@dataclass(frozen=True)
class Status:
    """Say whether a version is FRESH, SUSPECT, STALE, INVALID or UNKNOWN, and by which path; of all without X.

    Example: diorama status push-t/policy
    """

    what: Positional[str | None] = None
    """An id or its beginning, a family's name (its newest version), a channel, or a run folder. Default: every one."""
    at: At = Where()
    json: Json = False


@dataclass(frozen=True)
class Debt:
    """Show what past shortcuts left: patch depth, unreplayed advisories, self-generated data, days since calibration.

    Example: diorama debt push-t/policy
    """

    what: Positional[str | None] = None
    """A version. Default: every one that owes something."""
    at: At = Where()
    json: Json = False


@dataclass(frozen=True)
class Lineage:
    """Show what a version rests on (--up) or what rests on it (--down).

    Example: diorama lineage push-t/world --down
    """

    what: Positional[str]
    """A version."""
    at: At = Where()
    json: Json = False
    down: Flag = False
    """What rests on it. Default without --up: both."""
    up: Flag = False
    """What it rests on."""


@dataclass(frozen=True)
class Diff:
    """Compare two versions: settings, data, metrics, and of evaluations on the same seeds the flips.

    Example: diorama diff runs/v1 runs/v2
    """

    before: Positional[str]
    """A version."""
    after: Positional[str]
    """Another one."""
    at: At = Where()
    json: Json = False


@dataclass(frozen=True)
class ChannelSet:
    """Point a channel at a version.

    Example: diorama channel set prod runs/b --reason "passed the gate"
    """

    channel: Positional[str]
    """The channel, such as prod."""
    version: Positional[str]
    """The version."""
    at: At = Where()
    json: Json = False
    reason: str = ""
    """Why."""


@dataclass(frozen=True)
class ChannelRollback:
    """Point a channel at the version before, and name the debris: what was made with the version rolled back.

    Example: diorama channel rollback prod --reason "slips on wet tables"
    """

    channel: Positional[str]
    """The channel."""
    at: At = Where()
    json: Json = False
    reason: str = ""
    """Why."""


@dataclass(frozen=True)
class ChannelLog:
    """Show the history of a channel, or where every channel points.

    Example: diorama channel log prod
    """

    channel: Positional[str | None] = None
    """The channel. Default: all."""
    at: At = Where()
    json: Json = False


@dataclass(frozen=True)
class Advise:
    """File an advisory: a defect of a version, and where it shows.

    Example: diorama advise friction runs/v1 --title "no friction" --region friction=0.6..1.0
    """

    id: Positional[str]
    """A short name; filing under the same name again replaces what was filed."""
    affects: Positional[tuple[str, ...]] = ()
    """The versions that have the defect."""
    at: At = Where()
    json: Json = False
    title: str = ""
    """The defect in a few words."""
    severity: str = "unrated"
    """How bad it is."""
    region: tuple[str, ...] = ()
    """Where it shows: FACTOR=LOW..HIGH, each once, all at once. Default: everywhere."""
    fixed_in: tuple[str, ...] = ()
    """Versions that are free of it."""
    regressions: tuple[str, ...] = ()
    """Scenario sets that are registered already."""
    starts: Path | None = None
    """Make regression scenarios from this dataset: first observations inside the region."""
    episodes: int = 16
    """How many regression scenarios (with --starts)."""
    length: int = 100
    """Steps of a regression scenario (with --starts)."""
    least: float | None = None
    """The return from which a regression scenario counts as passed (with --starts)."""

    def __post_init__(self) -> None:
        if (self.starts is None) != (self.least is None):
            raise ConfigError("Regression scenarios need --starts and --least; give both or neither.")


@dataclass(frozen=True)
class Revoke:
    """Declare that a version must not be used any more; INVALID travels to what was made from it.

    Example: diorama revoke push-t/data --reason "recorded with a loose camera"
    """

    version: Positional[str]
    """The version."""
    at: At = Where()
    json: Json = False
    reason: str = ""
    """Why."""


@dataclass(frozen=True)
class Explain:
    """Everything about one version in one page.

    Example: diorama explain push-t/policy
    """

    what: Positional[str]
    """A version."""
    at: At = Where()
    json: Json = False


@dataclass(frozen=True)
class Export:
    """Write what is known of a version in a format that others read.

    Example: diorama export push-t/policy --format model-card --out card
    """

    what: Positional[str]
    """A version."""
    format: Format
    """in-toto/SLSA provenance, CycloneDX ML-BOM, OpenLineage events, a Hugging Face model card, or MLflow (extra)."""
    out: Path
    """The file (or the folder of a model card, or MLflow's store) to write."""
    at: At = Where()


@dataclass(frozen=True)
class ImportWeights:
    """Register a foreign safetensors checkpoint as an opaque simulator or policy with a declared spec.

    Example: diorama import-weights model.safetensors --spec spec.json --name lab/world --kind simulator
    """

    file: Positional[Path]
    """The checkpoint; only safetensors, which cannot hold code."""
    spec: Path
    """The spec of inputs and outputs as JSON, as in an artifact.json."""
    name: str
    """The name of its family."""
    kind: Kind
    """What it is."""
    at: At = Where()
    json: Json = False
    licence: str = ""
    """Its licence."""
    source: str = ""
    """Where it comes from."""


@dataclass(frozen=True)
class Sign:
    """Sign a version with an ed25519 key.

    Example: diorama sign push-t/policy --key team.key
    """

    what: Positional[str]
    """A version."""
    key: Path
    """The file of the private key."""
    at: At = Where()
    new_key: Flag = False
    """Make the key first; the public one is written beside it as KEY.pub."""


@dataclass(frozen=True)
class Verify:
    """Check the blobs and the signatures of a version. Exit code 1 where one is bad or a wanted one is missing.

    Example: diorama verify push-t/policy --key team.key.pub
    """

    what: Positional[str]
    """A version."""
    at: At = Where()
    json: Json = False
    key: tuple[Path, ...] = ()
    """Public keys of which one must have signed. Default: any signature is only looked at."""
