"""Signatures over versions: who says that this is the version, checked before it is loaded.

What is signed is an in-toto statement that names the version's id, in a DSSE envelope (version 1.0.0 of its protocol),
so that other tools can check it too. An id is the SHA-256 of the manifest and the manifest holds the SHA-256 of every
blob: one signature covers all of it. The envelope is registered as a version of kind ``attestation``.

Sources: github.com/secure-systems-lab/dsse (protocol), github.com/in-toto/attestation (statement v1).
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from diorama.core.canonical import canonical
from diorama.core.errors import ConfigError, DataError
from diorama.registry.keys import check_public_key, is_signed_by, make_key, public_key, read_private_key
from diorama.registry.manifest import manifest_id
from diorama.registry.records import Edge, Event, Manifest, Version

__all__ = ["Signature", "TrustPolicy", "attest", "make_key", "require", "seal", "sign", "unseal", "verify"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:diorama:predicate:version:1"
SIGNATURES = 64
"""Most signatures in one envelope that are looked at."""


@runtime_checkable
class Keeper(Protocol):
    """What signing needs of a registry."""

    def get(self, name: str) -> Version:
        """The version of an id, prefix, channel or name."""

    def edges(
        self, source: str | None = None, target: str | None = None, role: str | None = None
    ) -> list[tuple[str, Edge]]:
        """Edges with the id of their writer."""

    def events(self, type: str | None = None, subject: str | None = None) -> list[Event]:
        """Entries of the log."""

    def register(self, manifest: Manifest) -> Version:
        """Register a manifest."""


@dataclass(frozen=True)
class TrustPolicy:
    """Which versions must be signed before they load, and by whom.

    ``keys``: trusted public keys [64 hexadecimal digits each]. ``kinds``: what must be signed. ``threshold``: by how
    many different ones of the keys.
    """

    keys: tuple[str, ...]
    kinds: tuple[str, ...] = ("simulator", "policy")
    threshold: int = 1

    def __post_init__(self) -> None:
        for key in self.keys:
            check_public_key(key)
        if not 1 <= self.threshold <= len(set(self.keys)):
            raise ConfigError(
                f"{self.threshold} of {len(set(self.keys))} keys must sign; give at least one key and a threshold "
                "between 1 and the number of keys."
            )


@dataclass(frozen=True)
class Signature:
    """One signature over a version: its attestation's id, the public key that made it, whether that key is trusted.

    ``key`` is empty where the signature is by no key that was asked for and by none that it names; ``fault`` then
    says what is wrong.
    """

    attestation: str
    key: str
    trusted: bool
    fault: str = ""


def seal(statement: Mapping[str, Any], private: Any) -> dict[str, Any]:
    """The DSSE envelope of an in-toto statement, signed with a private key (see `read_private_key`)."""
    body = canonical(statement).encode()
    signature = private.sign(_encode(PAYLOAD_TYPE, body))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(body).decode(),
        "signatures": [{"keyid": public_key(private), "sig": base64.b64encode(signature).decode()}],
    }


def unseal(envelope: Any, keys: Iterable[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The statement in an envelope and the ``keys`` that signed it.

    The envelope's own ``keyid`` is never believed. Raises `DataError` where the envelope is malformed, and where none
    of the keys signed it: nothing inside is read before a signature holds.
    """
    kind, body, signatures = _open(envelope)
    message = _encode(kind, body)
    signers = tuple(key for key in dict.fromkeys(keys) if any(is_signed_by(key, s, message) for _, s in signatures))
    if not signers:
        raise DataError("An envelope is signed by none of the given keys; ask its sender for the public key.")
    return _statement(kind, body), signers


def sign(registry: Keeper, name: str, key: str | Path) -> Version:
    """Sign the version that ``name`` finds with the private key in the file ``key``; returns the attestation."""
    return attest(registry, registry.get(name), read_private_key(key))


def attest(registry: Keeper, version: Version, private: Any) -> Version:
    """Register the signed statement on ``version``. Signing twice with one key gives the same attestation."""
    fields = {"envelope": seal(_about(version), private), "key": public_key(private)}
    edges = (Edge("attests", version.id),)
    return registry.register(Manifest("attestation", f"{version.name}/attestation", fields, {}, edges))


def verify(registry: Keeper, name: str, keys: Iterable[str] = ()) -> tuple[Signature, ...]:
    """Every signature on the version that ``name`` finds; ``keys`` are the trusted ones. Bad ones say their fault."""
    version = _whole(registry.get(name))
    trusted = tuple(check_public_key(key) for key in keys)
    found = []
    for source, _ in registry.edges(target=version.id, role="attests"):
        found += _check(registry, version, registry.get(source), trusted)
    return tuple(found)


def require(registry: Keeper, name: str, policy: TrustPolicy) -> Version:
    """The version that ``name`` finds, if the policy lets it load. Raises `DataError` naming what is missing."""
    version = _whole(registry.get(name))
    if version.kind not in policy.kinds:
        return version
    found = verify(registry, version.id, policy.keys)
    signers = {signature.key for signature in found if signature.trusted}
    if len(signers) < policy.threshold:
        faults = "; ".join(s.fault for s in found if s.fault) or f"{len(found)} signatures by other keys"
        raise DataError(
            f"{version.kind} {version.name} ({version.id[:12]}) is signed by {len(signers)} trusted keys and the "
            f"policy asks for {policy.threshold} ({faults}); have it signed by one of them before it is loaded."
        )
    return version


def _about(version: Version) -> dict[str, Any]:
    return {
        "_type": STATEMENT,
        "subject": [{"name": version.name, "digest": {"sha256": version.id}}],
        "predicateType": PREDICATE,
        "predicate": {"kind": version.kind},
    }


def _check(registry: Keeper, version: Version, attestation: Version, trusted: tuple[str, ...]) -> list[Signature]:
    if registry.events(type="revocation", subject=attestation.id):
        return [Signature(attestation.id, "", False, "the attestation was revoked")]
    envelope = _whole(attestation).fields.get("envelope")
    try:
        # A key that only the attestation names shows who signed; that never makes it a trusted one.
        statement, signers = unseal(envelope, (*trusted, *_claimed(envelope)))
    except DataError as error:
        return [Signature(attestation.id, "", False, str(error))]
    if statement != _about(version):
        return [Signature(attestation.id, "", False, "the signed statement is about another version")]
    return [Signature(attestation.id, key, key in trusted) for key in signers]


def _claimed(envelope: Any) -> tuple[str, ...]:
    names = (name for name, _ in _open(envelope)[2])
    return tuple(name for name in names if len(name) == 64 and set(name) <= set("0123456789abcdef"))


def _whole(version: Version) -> Version:
    """The version itself, whose manifest still gives its id: a changed manifest must not borrow a signature."""
    if manifest_id(version.manifest) != version.id:
        raise DataError(f"{version.id[:12]} has another manifest than it was registered with; restore the database.")
    return version


def _encode(kind: str, body: bytes) -> bytes:
    """DSSE's pre-authentication encoding: type and body with their lengths, so that neither can run into the other."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(body), body)


def _open(envelope: Any) -> tuple[str, bytes, list[tuple[str, bytes]]]:
    try:
        signatures = [(str(s.get("keyid", "")), _decode(s["sig"])) for s in envelope["signatures"][:SIGNATURES]]
        return envelope["payloadType"], _decode(envelope["payload"]), signatures
    except (TypeError, KeyError, AttributeError, ValueError, binascii.Error) as error:
        raise DataError("An attestation holds no DSSE envelope; sign the version again.") from error


def _decode(text: str) -> bytes:
    """Base64 in the standard or the URL-safe alphabet: DSSE asks a verifier to take both."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def _statement(kind: str, body: bytes) -> dict[str, Any]:
    if kind != PAYLOAD_TYPE:
        raise DataError(f"An envelope holds {kind[:80]!r}; only {PAYLOAD_TYPE} is read.")
    try:
        statement = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DataError("A signed statement is not JSON; sign the version again.") from error
    if not isinstance(statement, dict) or statement.get("_type") != STATEMENT:
        raise DataError(f"A signed statement is no {STATEMENT}; sign the version again.")
    return statement
