"""Signatures: what they cover, what they refuse, and that keys stay private."""

import base64
import dataclasses
import json
import stat
import sys
from pathlib import Path

import pytest

from diorama.core.errors import ConfigError, DataError
from diorama.registry import signatures
from diorama.registry.keys import public_key, read_private_key, read_public_key
from diorama.registry.records import Edge, Manifest, Revocation, Version
from diorama.registry.registry import Registry
from diorama.registry.signatures import TrustPolicy, attest, make_key, require, seal, sign, unseal, verify

ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")


@pytest.fixture
def registry(tmp_path: Path):
    with Registry.open(tmp_path / "registry") as opened:
        yield opened


@pytest.fixture
def world(registry) -> Version:
    return registry.register(Manifest("simulator", "push-t/world", {"size": "nano"}))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "key")
    return tmp_path / "key"


def pem(key, password: bytes | None = None) -> bytes:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


def private_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_a_signed_version_loads_and_an_unsigned_one_does_not(registry, world: Version, key: Path) -> None:
    policy = TrustPolicy(keys=(read_public_key(f"{key}.pub"),))
    with pytest.raises(DataError, match="signed by 0 trusted keys and the policy asks for 1"):
        require(registry, world.id, policy)
    attestation = sign(registry, "push-t/world", key)
    assert attestation.kind == "attestation" and attestation.edges == (Edge("attests", world.id),)
    assert require(registry, world.id, policy) == world
    assert sign(registry, world.id, key).id == attestation.id


def test_a_kind_outside_the_policy_needs_no_signature(registry, key: Path) -> None:
    data = registry.register(Manifest("dataset", "push-t/data", {"episodes": 3}))
    assert require(registry, data.id, TrustPolicy((read_public_key(f"{key}.pub"),), kinds=("policy",))) == data


def test_a_signature_by_another_key_is_seen_and_not_trusted(
    registry, world: Version, key: Path, tmp_path: Path
) -> None:
    stranger = make_key(tmp_path / "stranger")
    sign(registry, world.id, tmp_path / "stranger")
    trusted = read_public_key(f"{key}.pub")
    [found] = verify(registry, world.id, [trusted])
    assert found.key == stranger and not found.trusted and not found.fault
    with pytest.raises(DataError, match="1 signatures by other keys"):
        require(registry, world.id, TrustPolicy((trusted,)))


def test_two_keys_must_be_two_different_keys(registry, world: Version, key: Path, tmp_path: Path) -> None:
    second = make_key(tmp_path / "second")
    policy = TrustPolicy((read_public_key(f"{key}.pub"), second), threshold=2)
    sign(registry, world.id, key)
    envelope = seal(signatures._about(world), read_private_key(key))
    twice = {**envelope, "signatures": envelope["signatures"] * 2}
    registry.register(Manifest("attestation", world.name, {"envelope": twice}, {}, (Edge("attests", world.id),)))
    with pytest.raises(DataError, match="signed by 1 trusted keys and the policy asks for 2"):
        require(registry, world.id, policy)
    sign(registry, world.id, tmp_path / "second")
    assert require(registry, world.id, policy) == world


def test_a_signature_does_not_move_to_another_version(registry, world: Version, key: Path) -> None:
    other = registry.register(Manifest("simulator", "push-t/world", {"size": "other"}))
    fields = sign(registry, world.id, key).fields
    registry.register(Manifest("attestation", other.name, fields, {}, (Edge("attests", other.id),)))
    [found] = verify(registry, other.id, [read_public_key(f"{key}.pub")])
    assert not found.trusted and "about another version" in found.fault


@pytest.mark.parametrize("part", ["payload", "payloadType", "sig"])
def test_a_changed_envelope_is_refused(registry, world: Version, key: Path, part: str) -> None:
    envelope = json.loads(json.dumps(dict(seal(signatures._about(world), read_private_key(key)))))
    if part == "payload":
        body = base64.b64decode(envelope["payload"]).replace(b"simulator", b"simulatox")
        envelope["payload"] = base64.b64encode(body).decode()
    elif part == "payloadType":
        envelope["payloadType"] = "application/vnd.other+json"
    else:
        envelope["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    with pytest.raises(DataError, match="signed by none of the given keys"):
        unseal(envelope, [read_public_key(f"{key}.pub")])


@pytest.mark.parametrize("envelope", [None, [], {}, {"payload": "!", "payloadType": "a", "signatures": []}, "text"])
def test_a_malformed_envelope_is_a_fault_and_no_crash(registry, world: Version, key: Path, envelope: object) -> None:
    edges = (Edge("attests", world.id),)
    registry.register(Manifest("attestation", world.name, {"envelope": envelope}, {}, edges))
    [found] = verify(registry, world.id, [read_public_key(f"{key}.pub")])
    assert not found.trusted and found.fault


def test_a_false_key_id_makes_no_key_trusted(registry, world: Version, key: Path, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    trusted = read_public_key(f"{key}.pub")
    envelope = seal(signatures._about(world), read_private_key(tmp_path / "stranger"))
    envelope["signatures"][0]["keyid"] = trusted
    registry.register(Manifest("attestation", world.name, {"envelope": envelope}, {}, (Edge("attests", world.id),)))
    [found] = verify(registry, world.id, [trusted])
    assert not found.trusted


def test_a_revoked_attestation_counts_no_more(registry, world: Version, key: Path) -> None:
    attestation = sign(registry, world.id, key)
    registry.append(Revocation(attestation.id, "the key was stolen"))
    [found] = verify(registry, world.id, [read_public_key(f"{key}.pub")])
    assert not found.trusted and "revoked" in found.fault


def test_a_changed_manifest_borrows_no_signature(registry, world: Version, key: Path) -> None:
    """A registry whose database was changed behind its back hands out a manifest that does not give the id."""

    class Tampered:
        edges, events, register = registry.edges, registry.events, registry.register

        def get(self, name: str) -> Version:
            changed = dataclasses.replace(world.manifest, fields={"size": "evil"})
            return dataclasses.replace(world, manifest=changed) if name == world.id else registry.get(name)

    sign(registry, world.id, key)
    with pytest.raises(DataError, match="another manifest than it was registered with"):
        require(Tampered(), world.id, TrustPolicy((read_public_key(f"{key}.pub"),)))


def test_the_envelope_is_dsse(key: Path) -> None:
    """The encoding of the protocol's own example, and a signature checked without our code."""
    assert signatures._encode("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    private = read_private_key(key)
    envelope = seal({"_type": signatures.STATEMENT, "subject": []}, private)
    body = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)
    private.public_key().verify(base64.b64decode(envelope["signatures"][0]["sig"]), message)


def test_both_alphabets_of_base64_are_read(key: Path) -> None:
    envelope = seal({"_type": signatures.STATEMENT, "note": "~~~???>>>"}, read_private_key(key))
    swap = str.maketrans("+/", "-_")
    envelope["payload"] = envelope["payload"].translate(swap)
    envelope["signatures"][0]["sig"] = envelope["signatures"][0]["sig"].translate(swap)
    statement, signers = unseal(envelope, [read_public_key(f"{key}.pub")])
    assert statement["note"] == "~~~???>>>" and len(signers) == 1


def test_keys_are_private_and_never_written_over(tmp_path: Path) -> None:
    public = make_key(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert public_key(read_private_key(tmp_path / "key")) == public == read_public_key(tmp_path / "key.pub")
    with pytest.raises(DataError, match="never written over"):
        make_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(DataError, match="chmod 600"):
        read_private_key(tmp_path / "key")


def test_other_private_keys_are_refused(tmp_path: Path) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    encrypted = private_file(tmp_path / "encrypted", pem(private, b"secret"))
    with pytest.raises(DataError, match="is encrypted"):
        read_private_key(encrypted)
    other = private_file(tmp_path / "rsa", pem(rsa.generate_private_key(public_exponent=65537, key_size=1024 * 2)))
    with pytest.raises(DataError, match="another kind of key"):
        read_private_key(other)
    with pytest.raises(DataError, match="no private key in PEM"):
        read_private_key(private_file(tmp_path / "text", b"hello"))
    with pytest.raises(DataError, match="no file with a key"):
        read_private_key(tmp_path)


def test_public_keys_are_read_as_digits_and_as_pem(tmp_path: Path) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "pem").write_bytes(private.public_key().public_bytes(*form))
    assert read_public_key(tmp_path / "pem") == public_key(private)
    (tmp_path / "bad").write_text("abc")
    with pytest.raises(DataError, match="no public key"):
        read_public_key(tmp_path / "bad")


def test_a_trust_policy_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ConfigError, match="no public key"):
        TrustPolicy(("abc",))
    with pytest.raises(ConfigError, match="2 of 1 keys must sign"):
        TrustPolicy(("a" * 64, "a" * 64), threshold=2)
    with pytest.raises(ConfigError, match="at least one key"):
        TrustPolicy(())


def test_without_the_extra_a_sentence_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(ConfigError, match=r"install diorama\[sign\]"):
        make_key(tmp_path / "key")


def test_attest_takes_a_key_that_is_in_memory(registry, world: Version) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    attest(registry, world, private)
    [found] = verify(registry, world.id, [public_key(private)])
    assert found.trusted
