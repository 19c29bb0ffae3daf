"""Auditing a registered evaluation: the record with its witnesses, its signature, and what it does to claims. JAX-free.

An audit is a version that speaks about the evaluation. Where the verdict is contaminated an advisory is filed on the
evaluation, so that every claim on it becomes STALE by the registry's own rules; a later audit that finds nothing takes
the advisory back.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.canonical import canonical, from_json, to_json
from diorama.core.errors import DataError, DioramaError
from diorama.evaluate.audit import Audit, Outcome, Probe, Severity, State, Verdict, audit
from diorama.evaluate.audit.findings import Finding, Witness
from diorama.evaluate.statistics import Estimate
from diorama.recipes.audit_facts import PROBE, Gatherer
from diorama.recipes.book import Book
from diorama.registry.records import Advisory, Edge, Manifest, Version

KEY = "DIORAMA_KEY"
"""Variable that names the private key with which audits and claims are signed."""
RECORD = "audit.json"
_SHORT = 12
_ADVISORY = "audit"


@dataclass(frozen=True)
class Audited:
    """An audit as it stands in the registry: its version ("" where it was not registered), and what it changed.

    ``signed``: id of the attestation, "" without. ``regraded``: claims that rest on the evaluation and are now STALE.
    """

    audit: Audit
    version: str = ""
    signed: str = ""
    regraded: tuple[str, ...] = ()


def audit_evaluation(
    book: Book,
    evaluation: str,
    *,
    key: Path | None = None,
    register: bool = True,
    starts: Any = None,
    probes: Sequence[Probe] = (),
) -> Audited:
    """Audit the evaluation with this id. ``key``: sign with it. Raises `DataError` where it is no evaluation.

    ``starts``: its first observations, by name [N, D]; None lets the world show them where it can be made here.
    ``probes``: runs that were made for it and not registered.
    """
    found = tested(book, evaluation)
    shown = starts if starts is not None else shown_starts(book, found)
    facts = Gatherer(book, shown).facts(evaluation)
    result = audit(replace(facts, probes=(*facts.probes, *probes)))
    if not register:
        return Audited(result)
    made = book.registry.register(_manifest(book, found, result))
    _file(book, found, made, result.verdict)
    return Audited(result, made.id, _signed(book, made, key), regraded(book, evaluation, result.verdict))


def tested(book: Book, evaluation: str) -> Version:
    """The evaluation of a policy in a world that has this id. Raises `DataError` where it is something else."""
    found = book.registry.get(evaluation)
    if found.kind != "evaluation" or not {"evaluates", "evaluated_in"} <= {edge.role for edge in found.edges}:
        raise DataError(
            f"{found.kind} {found.name} ({found.id[:_SHORT]}) tests no policy in a world; name an evaluation, see "
            "`diorama registry list --kind evaluation`."
        )
    return found


def newest_audit(book: Book, evaluation: str) -> tuple[Version, Verdict] | None:
    """The newest audit of an evaluation and its verdict; None where nobody audited it."""
    sources = [book.registry.get(source) for source, _ in book.registry.edges(target=evaluation, role="affects")]
    audits = [one for one in sources if one.kind == "audit"]
    if not audits:
        return None
    last = max(audits, key=lambda one: one.sequence)
    return last, Verdict(last.fields["verdict"])


def read_audit(book: Book, version: Version) -> Audit:
    """The whole record of a registered audit, witnesses included."""
    data = json.loads(book.registry.read_blob(version.manifest.blobs[RECORD]))
    outcomes = tuple(
        Outcome(one["check"], one["title"], State(one["state"]), one["sentence"], tuple(map(_finding, one["findings"])))
        for one in data["outcomes"]
    )
    return Audit(data["evaluation"], outcomes)


def attach_probe(
    book: Book, evaluation: str, check: str, measures: Mapping[str, Estimate], missing: Mapping[str, str] = {}
) -> str:
    """Register what a run measured for a check (C11, C12, C13 or C15) of an evaluation; the id. See `Probe`."""
    return book.registry.register(probe_manifest(tested(book, evaluation), check, measures, missing)).id


def probe_manifest(
    evaluation: Version,
    check: str,
    measures: Mapping[str, Estimate],
    missing: Mapping[str, str] = {},
    more: Mapping[str, Any] = {},
) -> Manifest:
    """What a run measured for a check, to be registered. ``more``: other fields."""
    fields = {
        **more,
        PROBE: check,
        "measures": {name: to_json(one) for name, one in measures.items()},
        "missing": dict(missing),
    }
    return Manifest("evaluation", f"{evaluation.name}/probe", fields, {}, (Edge("affects", evaluation.id),))


def regraded(book: Book, evaluation: str, verdict: Verdict) -> tuple[str, ...]:
    """The claims that rest on a contaminated evaluation."""
    if verdict is not Verdict.CONTAMINATED:
        return ()
    below = [book.registry.get(one) for one in book.registry.downstream(evaluation)]
    return tuple(one.id for one in below if one.kind == "claim")


def signing_key(given: Path | None) -> Path | None:
    """The key that was given, else that of the variable `KEY`."""
    return given or (Path(os.environ[KEY]) if os.environ.get(KEY) else None)


def shown_starts(book: Book, evaluation: Version) -> dict[str, np.ndarray] | None:
    """What the task's own world shows first for the seeds of an evaluation; None where that cannot be told.

    Other worlds of a task begin where reality begins, so that its starts are theirs.
    """
    from diorama.recipes.audit_starts import first_shown

    try:
        return first_shown(book, evaluation)
    except DioramaError:
        return None


def _manifest(book: Book, evaluation: Version, result: Audit) -> Manifest:
    fields = {
        "verdict": str(result.verdict),
        "checks": {one.check: {"state": str(one.state), "sentence": one.sentence} for one in result.outcomes},
        "not_run": result.not_run,
    }
    record = {
        "evaluation": result.evaluation,
        "verdict": str(result.verdict),
        "outcomes": [to_json(one) for one in result.outcomes],
    }
    edges = [Edge("affects", evaluation.id)]
    if before := newest_audit(book, evaluation.id):
        old, _ = before
        same = {name: old.fields.get(name) for name in fields} == fields
        edges += [edge for edge in old.edges if edge.role == "supersedes"] if same else [Edge("supersedes", old.id)]
    blobs = {RECORD: book.registry.add_blob(canonical(record).encode())}
    return Manifest("audit", f"{evaluation.name}/audit", fields, blobs, tuple(edges))


def _file(book: Book, evaluation: Version, made: Version, verdict: Verdict) -> None:
    """File the advisory of a contaminated evaluation, or take an earlier one back."""
    name = f"{_ADVISORY}-{evaluation.id[:16]}"
    events = book.registry.events(type="advisory", subject=name)
    standing = bool(events) and bool(events[-1].entry.affects)
    if verdict is Verdict.CONTAMINATED and not standing:
        title = f"contaminated evaluation, see audit {made.id[:_SHORT]}"
        book.registry.append(Advisory(name, title, "contaminated", (evaluation.id,)))
    elif verdict is not Verdict.CONTAMINATED and standing:
        book.registry.append(Advisory(name, f"taken back by audit {made.id[:_SHORT]}", "none", ()))


def _signed(book: Book, made: Version, key: Path | None) -> str:
    key = signing_key(key)
    if key is None:
        return ""
    from diorama.registry.signatures import sign

    return sign(book.registry, made.id, key).id


def _finding(data: dict[str, Any]) -> Finding:
    pairs = tuple(from_json(Witness, one) for one in data["witnesses"])
    return Finding(data["check"], Severity(data["severity"]), data["sentence"], pairs)
