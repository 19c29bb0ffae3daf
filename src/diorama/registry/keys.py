"""Ed25519 keys in files: made, read and checked. The extra ``sign`` brings the package that computes with them.

A private key is PKCS#8 in PEM, not encrypted, readable by its owner alone. A public key is its 32 raw bytes in
hexadecimal [64 digits]: short enough for a configuration, and its own name.
"""

import os
import re
import stat
from pathlib import Path
from typing import Any

from diorama.core.errors import ConfigError, DataError

FILE_BYTES = 64 * 1024
"""Largest file that is read as a key [bytes]."""
_PUBLIC = re.compile(r"[0-9a-f]{64}")


def make_key(path: str | Path) -> str:
    """Make a private key at ``path`` (mode 0600), its public key at ``path`` + ``.pub``; returns the public key.

    Raises `DataError` where one of the files exists: a key is never written over.
    """
    path = Path(path)
    public_path = path.with_name(path.name + ".pub")
    if taken := [str(p) for p in (path, public_path) if p.exists()]:
        raise DataError(f"{taken[0]} exists and a key is never written over; choose another name.")
    key = _ed25519().Ed25519PrivateKey.generate()
    _write_new(path, _pem(key), 0o600)
    public = public_key(key)
    _write_new(public_path, f"{public}\n".encode(), 0o644)
    return public


def read_private_key(path: str | Path) -> Any:
    """The private key in a file. Raises `DataError` where others may read it, and for any other kind of key."""
    path = Path(path)
    content = _read_small(path)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise DataError(
            f"{path} is open to others than its owner; run chmod 600 on it, and make a new key if in doubt."
        )
    ed25519, serialization = _ed25519(), _serialization()
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError as error:
        raise DataError(f"{path} is encrypted; give a key that is not, kept on an encrypted disk instead.") from error
    except (ValueError, _unsupported()) as error:
        raise DataError(
            f"{path} holds no private key in PEM; make one with `diorama sign X --key FILE --new-key`."
        ) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise DataError(f"{path} holds another kind of key ({type(key).__name__}); only ed25519 signs here.")
    return key


def read_public_key(path: str | Path) -> str:
    """The public key in a file, as 64 hexadecimal digits or as PEM. Raises `DataError` for anything else."""
    path = Path(path)
    content = _read_small(path)
    text = content.decode("ascii", "replace").strip()
    if _PUBLIC.fullmatch(text):
        return text
    try:
        key = _serialization().load_pem_public_key(content)
    except (ValueError, _unsupported()) as error:
        raise DataError(f"{path} holds no public key; give 64 hexadecimal digits or PEM.") from error
    if not isinstance(key, _ed25519().Ed25519PublicKey):
        raise DataError(f"{path} holds another kind of key ({type(key).__name__}); only ed25519 is verified here.")
    return key.public_bytes_raw().hex()


def public_key(private: Any) -> str:
    """The public key of a private one [64 hexadecimal digits]."""
    return private.public_key().public_bytes_raw().hex()


def check_public_key(key: str) -> str:
    """The key itself. Raises `ConfigError` unless it is 64 small hexadecimal digits."""
    if not _PUBLIC.fullmatch(key):
        raise ConfigError(f"{key[:80]!r} is no public key; give the 64 hexadecimal digits of the .pub file.")
    return key


def is_signed_by(key: str, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` over ``message`` was made with the private half of ``key`` [64 hexadecimal digits]."""
    public = _ed25519().Ed25519PublicKey.from_public_bytes(bytes.fromhex(check_public_key(key)))
    try:
        public.verify(signature, message)
    except _invalid_signature():
        return False
    return True


def _pem(key: Any) -> bytes:
    form = _serialization()
    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that did not exist; it never has wider rights than ``mode``, not even for a moment."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise DataError(f"{path} cannot be made ({error.strerror}); choose another place for the key.") from error
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read_small(path: Path) -> bytes:
    try:
        if not path.is_file() or path.stat().st_size > FILE_BYTES:
            raise DataError(f"{path} is no file with a key; make one with `diorama sign X --key FILE --new-key`.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); give the file of a key.") from error


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise ConfigError("Signatures need the package cryptography; install diorama[sign].") from error
    return ed25519


def _serialization() -> Any:
    _ed25519()
    from cryptography.hazmat.primitives import serialization

    return serialization


def _unsupported() -> type[Exception]:
    from cryptography.exceptions import UnsupportedAlgorithm

    return UnsupportedAlgorithm


def _invalid_signature() -> type[Exception]:
    from cryptography.exceptions import InvalidSignature

    return InvalidSignature
