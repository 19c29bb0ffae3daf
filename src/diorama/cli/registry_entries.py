"""What the verbs that add to the registry do: channels, advisories, revocations, signatures, exports, imports.

Nothing here needs JAX, except regression scenarios made from a dataset. Each function gives the exit code.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from diorama.cli.answering import answer, find, opened, say, say_json
from diorama.core.canonical import canonical
from diorama.core.errors import ConfigError, DataError
from diorama.core.files import write_atomically
from diorama.recipes import registry_requests as requests
from diorama.recipes.book import Book
from diorama.registry import export as exports
from diorama.registry.channels import history, rollback
from diorama.registry.graph import Graph
from diorama.registry.keys import make_key, read_public_key
from diorama.registry.opaque import import_opaque
from diorama.registry.records import Advisory, ChannelEntry, Entry, Revocation
from diorama.registry.signatures import sign as sign_version
from diorama.registry.signatures import verify as verify_version
from diorama.registry.status import status_of

_SHORT = 12
_MAY = 64 * 2**20
"""Largest file of JSON that is read [bytes]."""


def set_channel(request: requests.ChannelSet) -> int:
    """Point a channel at a version."""
    with opened(request.at) as book:
        version = find(book, request.version)
        _check_kind(book, request.channel, version)
        entry = ChannelEntry(request.channel, version, request.reason)
        return _appended(book, entry, request.json, f"{request.channel} -> {_called(book, version)}")


def _check_kind(book: Book, channel: str, version: str) -> None:
    """Raise `DataError` where a channel pointed at something of another kind: a slip of whoever named it."""
    events = book.registry.events("channel", channel)
    before = book.registry.get(events[-1].entry.version) if events else None
    if before is not None and before.kind != book.registry.get(version).kind:
        called = _called(book, version)
        mend = "take another channel for it, or roll this one back"
        raise DataError(f"Channel {channel} points at a {before.kind}, not at a {called}; {mend}.")


def roll_back(request: requests.ChannelRollback) -> int:
    """Point a channel at the version before, and name what stays behind."""
    with opened(request.at) as book:
        found = rollback(_pointed(book, request.channel, down=True), request.channel, reason=request.reason)
        book.registry.append(found.entry)
    return answer(found, request.json)


def channel_log(request: requests.ChannelLog) -> int:
    """The history of one channel or of all."""
    with opened(request.at) as book:
        graph = _pointed(book, request.channel, down=False)
    names = sorted(graph.channels) if request.channel is None else [request.channel]
    found = [history(graph, name) for name in names]
    if request.json or not found:
        say_json(found) if request.json else say("no channel yet; `diorama channel set NAME VERSION` makes one")
        return 0
    return max(answer(one, False) for one in found)


def _pointed(book: Book, channel: str | None, down: bool) -> Graph:
    """The part of the registry that a channel, or every channel, ever pointed at; ``down`` with what rests on it."""
    known = book.registry.events("channel", channel) or book.registry.events("channel")
    return book.registry.graph(list(dict.fromkeys(event.entry.version for event in known)), down)


def advise(request: requests.Advise) -> int:
    """File an advisory."""
    with opened(request.at) as book:
        region = _region(request.region)
        regressions = [find(book, one) for one in request.regressions]
        if request.starts is not None:
            regressions.append(_scenarios(book, request, region))
        entry = Advisory(
            request.id,
            request.title or request.id,
            request.severity,
            tuple(_spoken_of(book, one) for one in request.affects),
            region,
            tuple(find(book, one) for one in request.fixed_in),
            tuple(regressions),
        )
        affected = ", ".join(_called(book, one) for one in entry.affects) or "nothing yet"
        sentence = f"advisory {entry.id} affects {affected}; `diorama status` says what that means for what rests on it"
        return _appended(book, entry, request.json, sentence)


def revoke(request: requests.Revoke) -> int:
    """Revoke a version, and say how many versions rest on it."""
    with opened(request.at) as book:
        version = _spoken_of(book, request.version)
        below = len(book.registry.downstream(version))
        where = f"`diorama lineage {version[:_SHORT]} --down`"
        sentence = f"revoked {_called(book, version)}; {below} versions rest on it, see {where}"
        return _appended(book, Revocation(version, request.reason), request.json, sentence)


def sign(request: requests.Sign) -> int:
    """Sign a version."""
    with opened(request.at) as book:
        version = find(book, request.what)
        if request.new_key:
            say(f"public key: {make_key(request.key)}")
        attestation, called = sign_version(book.registry, version, request.key), _called(book, version)
    say(f"signed {called} with {attestation.fields['key'][:16]}: attestation {attestation.id[:_SHORT]}")
    return 0


def verify(request: requests.Verify) -> int:
    """Check the blobs and signatures of a version; 1 where something is bad or a wanted signature is missing."""
    with opened(request.at) as book:
        version = book.registry.get(find(book, request.what))
        for digest in version.manifest.blobs.values():
            book.registry.read_blob(digest)
        found = verify_version(book.registry, version.id, [read_public_key(key) for key in request.key])
    sound = not any(one.fault for one in found) and (not request.key or any(one.trusted for one in found))
    if request.json:
        say_json({"id": version.id, "blobs": len(version.manifest.blobs), "signatures": found, "sound": sound})
    else:
        lines = [one.fault or f"signed by {one.key}{' (trusted)' if one.trusted else ''}" for one in found]
        missing = ["not signed by any of the given keys"] if request.key and not any(s.trusted for s in found) else []
        say("\n".join([f"{len(version.manifest.blobs)} blobs are whole", *(lines or ["no signature"]), *missing]))
    return int(not sound)


def export(request: requests.Export) -> int:
    """Write a version in a format of others."""
    with opened(request.at) as book:
        version = find(book, request.what)
        if request.format == "mlflow":
            say(f"MLflow run {exports.export_to_mlflow(book.registry, version, str(request.out))}")
            return 0
        _WRITERS[request.format](book, version, request.out)
    say(f"{request.format}: {request.out}")
    return 0


def import_weights(request: requests.ImportWeights) -> int:
    """Register a foreign checkpoint."""
    facts = {name: value for name, value in (("licence", request.licence), ("origin", request.source)) if value}
    with opened(request.at) as book:
        found = import_opaque(
            book.registry, request.file, kind=request.kind, name=request.name, spec=_json(request.spec), facts=facts
        )
    if request.json:
        say_json({"id": found.id})
    else:
        say(f"{found.kind} {found.name} {found.id[:_SHORT]}, opaque: how it was made is not on record")
    return 0


def _appended(book: Book, entry: Entry, as_json: bool, sentence: str) -> int:
    event = book.registry.append(entry)
    if as_json:
        say_json(event)
    else:
        say(sentence)
    return 0


def _spoken_of(book: Book, word: str) -> str:
    """The id that a word means; an episode becomes a version of its own, since something is said of it."""
    try:
        return find(book, word)
    except DataError:
        episode = book.registry.episode(word)
        if episode is None:
            raise
        return book.registry.register(episode.manifest).id


def _region(words: Sequence[str]) -> dict[str, Any]:
    """``friction=0.6..1.0`` for each factor; nothing means everywhere."""
    if not words:
        return {"everywhere": True}
    return {"factors": dict(map(_interval, words))}


def _interval(word: str) -> tuple[str, list[float]]:
    name, _, bounds = word.partition("=")
    low, _, high = bounds.partition("..")
    try:
        found = [float(low), float(high)]
    except ValueError as error:
        raise ConfigError(f"--region {word!r} is no interval; write it as friction=0.6..1.0.") from error
    if not name or not found[0] <= found[1]:
        raise ConfigError(f"--region {word!r} is no interval; write it as friction=0.6..1.0.")
    return name, found


def _scenarios(book: Book, request: requests.Advise, region: dict[str, Any]) -> str:
    from diorama.data import Dataset
    from diorama.recipes.replaying import scenario_set

    dataset, name = Dataset.open(request.starts), f"regressions-{request.id}"
    count, length = request.episodes, request.length
    return scenario_set(book, dataset, region, name=name, count=count, length=length, least=request.least)


def _called(book: Book, version: str) -> str:
    """A version in a sentence."""
    found = book.registry.get(version)
    return f"{found.kind} {found.name} {version[:_SHORT]}"


def _json(path: Path) -> Any:
    """A file of JSON. Raises `DataError` where it cannot be read as that."""
    try:
        if path.stat().st_size > _MAY:
            raise DataError(f"{path} is larger than any spec; give the JSON of one.")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); give the spec as in an artifact.json.") from error


def _standing(book: Book, version: str) -> Any:
    graph = book.registry.graph([version])
    report = status_of(graph, version)
    causes = tuple(cause.sentence for cause in report.causes)
    return exports.Standing(str(report.status), causes, tuple(graph.advised(version)))


def _write_slsa(book: Book, version: str, out: Path) -> None:
    write_atomically(out, canonical(exports.provenance(book.registry, version)))


def _write_bill(book: Book, version: str, out: Path) -> None:
    bill = exports.bill_of_materials(book.registry, version, standing=_standing(book, version))
    write_atomically(out, canonical(bill))


def _write_events(book: Book, version: str, out: Path) -> None:
    lines = [canonical(event) for event in exports.run_events(book.registry, version)]
    write_atomically(out, "\n".join(lines) + "\n")


def _write_card(book: Book, version: str, out: Path) -> None:
    write_atomically(out, exports.card_text(book.registry, version, standing=_standing(book, version)))


_WRITERS: dict[str, Callable[[Book, str, Path], None]] = {
    "slsa": _write_slsa,
    "cyclonedx": _write_bill,
    "openlineage": _write_events,
    "model-card": _write_card,
}
