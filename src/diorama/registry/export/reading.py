"""What every export asks of a registry: ancestors, parents, data, figures, claims, the build that made a version."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import diorama
from diorama.core.errors import DataError
from diorama.registry.records import Advisory, Edge, Version

PRODUCER = f"urn:diorama:producer:{diorama.__version__}"
"""Who wrote an export: a URI that names Diorama and its version."""
JOULES_PER_KWH = 3.6e6
SPDX = {
    text.lower(): text
    for text in (
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC-BY-4.0",
        "CC-BY-NC-4.0",
        "CC-BY-SA-4.0",
        "CC0-1.0",
        "GPL-3.0-only",
        "MIT",
        "MPL-2.0",
    )
}
"""Licences that are written by their SPDX id; any other is written as a name, so that nothing poses as an id."""


@runtime_checkable
class Reader(Protocol):
    """What an export needs of a registry."""

    def get(self, name: str) -> Version:
        """The version of an id, prefix, channel or name."""

    def edges(
        self, source: str | None = None, target: str | None = None, role: str | None = None
    ) -> list[tuple[str, Edge]]:
        """Edges with the id of their writer."""

    def copy_blob(self, digest: str, to: Path) -> Any:
        """Copy a blob to a file."""


@dataclass(frozen=True)
class Standing:
    """What the registry holds of a version when an export is written.

    ``status``: FRESH, SUSPECT, STALE, INVALID or UNKNOWN. ``causes``: the sentences that say why. ``advisories``: the
    known defects of it.
    """

    status: str
    causes: tuple[str, ...] = ()
    advisories: tuple[Advisory, ...] = ()


@dataclass(frozen=True)
class Figure:
    """One measured number with its interval at ``level``, of ``count`` episodes; None where it was not recorded."""

    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    level: float | None = None
    count: int | None = None
    method: str = ""
    worlds: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claimed:
    """One claim: its figure and its level of evidence, such as ``L5``; empty where none was stated."""

    figure: Figure
    evidence: str


def ancestry(reader: Reader, version: Version) -> dict[str, Version]:
    """The version and everything that it rests on, by id, nearest first."""
    found, waiting = {version.id: version}, [version]
    for current in waiting:
        for edge in current.edges:
            if edge.target not in found:
                found[edge.target] = reader.get(edge.target)
                waiting.append(found[edge.target])
    return found


def targets(reader: Reader, version: Version, *roles: str) -> tuple[tuple[Edge, Version], ...]:
    """The edges of a version with one of these roles, with what they rest on."""
    return tuple((edge, reader.get(edge.target)) for edge in version.edges if edge.role in roles)


def sources(reader: Reader, version: Version, role: str, kind: str) -> tuple[Version, ...]:
    """The versions of one kind that rest on ``version`` in a role, oldest first."""
    ids = dict.fromkeys(source for source, _ in reader.edges(target=version.id, role=role))
    found = (reader.get(source) for source in ids)
    return tuple(sorted((v for v in found if v.kind == kind), key=lambda v: v.sequence))


def build_of(reader: Reader, version: Version) -> Version | None:
    """The build itself, or the newest build that made a version; None where none is recorded."""
    if version.kind == "build":
        return version
    return next(reversed(sources(reader, version, "output", "build")), None)


def build_or_refuse(reader: Reader, name: str) -> Version:
    """The build that ``name`` finds or that made what it finds. Raises `DataError` where none is recorded."""
    version = reader.get(name)
    build = build_of(reader, version)
    if build is None:
        raise DataError(
            f"No build is recorded that made {version.name} ({version.id[:12]}); its provenance is unknown, and is not "
            "made up."
        )
    return build


def figures(reader: Reader, version: Version) -> tuple[Figure, ...]:
    """Every estimate of every evaluation of a version, oldest evaluation first."""
    found = []
    for evaluation in sources(reader, version, "evaluates", "evaluation"):
        worlds = tuple(v.name for _, v in targets(reader, evaluation, "evaluated_in"))
        scenarios = tuple(v.name for _, v in targets(reader, evaluation, "drawn_from"))
        estimates = evaluation.fields.get("estimates") or evaluation.fields.get("metrics") or {}
        for metric, value in sorted(estimates.items()):
            figure = read_figure(metric, value, worlds, scenarios)
            found += [figure] if figure else []
    return tuple(found)


def claims(reader: Reader, version: Version) -> tuple[Claimed, ...]:
    """Every claim that rests on an evaluation of the version or on the version itself, oldest first."""
    evaluations = sources(reader, version, "evaluates", "evaluation")
    found = {c.id: c for v in (version, *evaluations) for c in sources(reader, v, "supports", "claim")}
    read = ((_claim_figure(claim), claim) for claim in sorted(found.values(), key=lambda c: c.sequence))
    return tuple(Claimed(figure, str(claim.fields.get("evidence_level", ""))) for figure, claim in read if figure)


def read_figure(
    metric: str, value: Any, worlds: tuple[str, ...] = (), scenarios: tuple[str, ...] = ()
) -> Figure | None:
    """A number, or an estimate as ``evaluate`` writes it; None for anything that is no number."""
    given = value if isinstance(value, Mapping) else {"value": value}
    low, high = given.get("interval") or (given.get("low"), given.get("high"))
    number = given.get("value", given.get("estimate"))
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return Figure(
        metric=str(metric),
        value=float(number),
        low=_number(low),
        high=_number(high),
        level=_number(given.get("level")),
        count=given.get("count") if isinstance(given.get("count"), int) else None,
        method=str(given.get("method", "")),
        worlds=worlds,
        scenarios=scenarios,
    )


def licence(version: Version) -> str:
    """The licence that a version declares: an SPDX id where it is a common one, empty where it declares none."""
    text = str(version.fields.get("licence") or version.fields.get("license") or "")
    return SPDX.get(text.lower(), text)


def resources(build: Version) -> Mapping[str, Any]:
    """What a build took, as recorded; empty where it was not."""
    taken = build.fields.get("resources")
    return taken if isinstance(taken, Mapping) else {}


def utc(seconds: float) -> str:
    """A time [s since 1970] as RFC 3339 in UTC, whole milliseconds."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def urn(version: Version) -> str:
    """The URI of a version."""
    return f"urn:diorama:version:{version.id}"


def _claim_figure(claim: Version) -> Figure | None:
    """A claim holds its estimate as a number beside an interval, or as one object with both."""
    fields = claim.fields
    given = fields.get("estimate")
    if not isinstance(given, Mapping):
        given = {"value": given} | {k: fields[k] for k in ("interval", "method", "level", "count") if k in fields}
    return read_figure(str(fields.get("estimand", claim.name)), given)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
