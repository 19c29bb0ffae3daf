"""Manifests: checked, as canonical JSON, and the id that follows from it; entries of the log likewise."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from diorama.core.canonical import canonical, from_json, to_json
from diorama.core.errors import ConfigError, DataError
from diorama.registry.formats import check_suffix
from diorama.registry.records import ENTRIES, KINDS, RELATIONS, ROLES, Edge, Entry, Manifest

SCHEMA = 1
"""Schema of the manifests that this version writes; it is part of the text and so of the id."""
TEXT_BYTES = 64 * 2**20
"""Largest text of a manifest [bytes]."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._/-]{0,199}")
_BLOB_NAME = re.compile(r"[A-Za-z0-9_.@+= -]{1,200}(/[A-Za-z0-9_.@+= -]{1,200}){0,19}")
_KEYS = {"schema", "kind", "name", "fields", "blobs", "edges"}


def manifest_text(manifest: Manifest) -> str:
    """The canonical JSON of a checked manifest; raises `DataError` naming the first fault."""
    check_manifest(manifest)
    try:
        return canonical({"schema": SCHEMA} | to_json(manifest))
    except (ConfigError, ValueError, RecursionError) as error:
        raise DataError(f"The manifest of {manifest.name} has a field that is no JSON: {error}") from error


def manifest_id(manifest: Manifest) -> str:
    """The id of a manifest: the SHA-256 of its canonical JSON [64 hexadecimal digits]."""
    return text_id(manifest_text(manifest))


def text_id(text: str) -> str:
    """The SHA-256 of a text as UTF-8 [64 hexadecimal digits]."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(text: str | bytes) -> Manifest:
    """The checked manifest of a canonical JSON text. Raises `DataError` for anything that is not one."""
    manifest = parse_manifest(text)
    check_manifest(manifest)
    return manifest


def parse_manifest(text: str | bytes) -> Manifest:
    """The manifest of a text that was checked before it was stored: quick, checks the structure only."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"A manifest is not JSON ({error}); restore it from a copy.") from error
    if not isinstance(data, dict) or set(data) != _KEYS:
        raise DataError(f"A manifest must have exactly the fields {sorted(_KEYS)}; it was not written by Diorama.")
    if data["schema"] != SCHEMA:
        raise DataError(f"A manifest has schema {data['schema']!r}, this version reads {SCHEMA}; upgrade Diorama.")
    try:
        edges = tuple(Edge(edge["role"], edge["target"], edge["attributes"]) for edge in data["edges"])
    except (TypeError, KeyError) as error:
        raise DataError(
            "A manifest has an edge without role, target and attributes; restore it from a copy."
        ) from error
    return Manifest(data["kind"], data["name"], data["fields"], data["blobs"], edges)


def check_manifest(manifest: Manifest) -> None:
    """Raise `DataError` that names the first fault of a manifest."""
    if manifest.kind not in KINDS:
        raise DataError(f"The registry has no kind {manifest.kind!r}; it knows {', '.join(KINDS)}.")
    check_name(manifest.name, "A version")
    for what, value in (("fields", manifest.fields), ("blobs", manifest.blobs)):
        if not isinstance(value, Mapping):
            raise DataError(f"The {what} of {manifest.name} must be a mapping, not {type(value).__name__}.")
    for name, digest in manifest.blobs.items():
        _check_blob(manifest.name, name, digest)
    for edge in manifest.edges:
        check_edge(manifest.name, edge)


def check_name(name: Any, what: str) -> None:
    """Raise `DataError` unless ``name`` can name a family, a channel, a budget or an advisory."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DataError(
            f"{what} is named {str(name)[:80]!r}; use at most 200 small letters, digits and . _ / -, "
            "a letter or digit first."
        )


def check_edge(name: str, edge: Edge) -> None:
    """Raise `DataError` unless the edge of version ``name`` has a known role, an id as target and JSON attributes."""
    if edge.role not in ROLES:
        raise DataError(f"{name} has an edge with role {edge.role!r}; the registry knows {', '.join(ROLES)}.")
    check_digest(edge.target, f"The target of an edge {edge.role} of {name}")
    if not isinstance(edge.attributes, Mapping):
        raise DataError(f"The attributes of the edge {edge.role} of {name} must be a mapping.")
    relation = edge.attributes.get("relation")
    if edge.role == "derived_from" and relation not in RELATIONS:
        raise DataError(f"{name} is derived with relation {relation!r}; give one of {', '.join(RELATIONS)}.")


def is_digest(value: Any) -> bool:
    """Whether ``value`` is 64 small hexadecimal digits."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def check_digest(value: Any, what: str = "A blob") -> None:
    """Raise `DataError` unless ``value`` is a SHA-256 in 64 small hexadecimal digits."""
    if not is_digest(value):
        raise DataError(f"{what} is {str(value)[:80]!r}, not a SHA-256 of 64 hexadecimal digits; give the full one.")


def _check_blob(owner: str, name: Any, digest: Any) -> None:
    parts = name.split("/") if isinstance(name, str) else ()
    if not isinstance(name, str) or not _BLOB_NAME.fullmatch(name) or {".", ".."} & set(parts):
        raise DataError(
            f"{owner} names a blob {str(name)[:80]!r}; use a plain relative path such as weights/actor.json."
        )
    check_suffix(name)
    check_digest(digest, f"The blob {name} of {owner}")


def entry_type(entry: Entry) -> str:
    """The type of the event that carries ``entry``."""
    for name, cls in ENTRIES.items():
        if type(entry) is cls:
            return name
    raise DataError(f"{type(entry).__name__} is no entry of the log; it takes {', '.join(ENTRIES)}.")


def entry_subject(entry: Entry) -> str:
    """What an entry is about: the channel, budget, advisory or version."""
    kind = entry_type(entry)
    return getattr(entry, {"advisory": "id", "replay": "advisory", "revocation": "version"}.get(kind, kind))


def entry_mentions(entry: Entry) -> tuple[tuple[str, str], ...]:
    """The versions that an entry speaks of: pairs of a role, such as ``replay world``, and an id, each once."""
    kind = entry_type(entry)
    single = [(name, getattr(entry, name, "")) for name in ("version", "policy", "world")]
    many = [(name, one) for name in ("affects", "fixed_in", "regressions") for one in getattr(entry, name, ())]
    return tuple(dict.fromkeys((f"{kind} {name}", one) for name, one in [*single, *many] if one))


def entry_versions(entry: Entry) -> tuple[str, ...]:
    """The ids of the versions that an entry speaks of."""
    return tuple(dict.fromkeys(version for _, version in entry_mentions(entry)))


def entry_text(entry: Entry) -> str:
    """The canonical JSON of a checked entry; raises `DataError` naming its fault."""
    kind = entry_type(entry)
    if kind != "revocation":
        named = {"channel": "A channel", "budget": "A budget"}.get(kind, "An advisory")
        check_name(entry_subject(entry), named)
    for target in entry_versions(entry):
        check_digest(target, f"A version in a {kind} entry")
    if kind == "replay" and not 0 <= entry.passed <= entry.total:
        raise DataError(f"A replay passed {entry.passed} of {entry.total}; count again.")
    if kind == "budget" and not math.isfinite(entry.amount):
        raise DataError(f"Budget {entry.budget} has the amount {entry.amount}; give a number.")
    try:
        return canonical(entry)
    except ConfigError as error:
        raise DataError(f"A {kind} entry has a value that is no JSON: {error}") from error


def read_entry(kind: str, text: str) -> Entry:
    """The entry of an event of type ``kind``. Raises `DataError` for a damaged one."""
    try:
        return from_json(ENTRIES[kind], json.loads(text))
    except (KeyError, ValueError, ConfigError) as error:
        raise DataError(f"A {kind} entry of the log is damaged ({error}); restore the database from a copy.") from error
