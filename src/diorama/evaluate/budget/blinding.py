"""Blinded, randomised trials: policies under letters, trials under codes, and the key apart, sealed by its digest.

The sheet is made from the starts, the number of policies and a secret alone, so that nothing in it can depend on which
policy is which. The key holds the secret; its SHA-256, the commitment, is published with the sheet, so that a key that
was exchanged afterwards is seen.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

import numpy as np

from diorama.core.canonical import canonical, digest, from_json
from diorama.core.errors import ConfigError, DataError

SECRET_BYTES = 32
_CODE = 6


@dataclass(frozen=True)
class Row:
    """One line of a sheet, in the order in which trials are done: its code, the policy's letter, the start's seed."""

    order: int
    trial: str
    policy: str
    start: int


@dataclass(frozen=True)
class Sheet:
    """What is handed out. ``commitment``: SHA-256 of the key [64 hexadecimal digits]. ``plan``: id of the plan."""

    plan: str
    commitment: str
    rows: tuple[Row, ...]

    @property
    def digest(self) -> str:
        """Of everything that must come back unchanged."""
        return digest(self)


@dataclass(frozen=True)
class Key:
    """What is kept apart: which policy (an id) has which letter, the secret, and the plan that it belongs to."""

    plan: str
    secret: str
    letters: Mapping[str, str]


def blind(plan: str, starts: Sequence[int], policies: Sequence[str], secret: bytes) -> tuple[Sheet, Key]:
    """The sheet and its key: every policy tries every start, starts in random order, and policies within each start.

    ``secret``: `SECRET_BYTES` random bytes. Raises `ConfigError` for no policy, more than 26, or repeated ones.
    """
    if not 0 < len(set(policies)) == len(policies) <= len(ascii_uppercase) or len(set(starts)) != len(starts):
        raise ConfigError("A sheet takes 1 to 26 different policies and different starts.")
    if len(secret) < SECRET_BYTES:
        raise ConfigError(f"A secret needs {SECRET_BYTES} random bytes, got {len(secret)}.")
    letters = ascii_uppercase[: len(policies)]
    # The rows come before the letters are given out, from the secret alone.
    rows = _rows(plan, starts, letters, secret)
    shuffled = _generator(secret, "letters").permutation(len(policies))
    key = Key(plan, secret.hex(), {letter: policies[int(k)] for letter, k in zip(letters, shuffled, strict=True)})
    return Sheet(plan, commitment(key), rows), key


def commitment(key: Key) -> str:
    """The digest by which a key is recognised and not known; the secret in it keeps it from being guessed."""
    return digest(key)


def read_key(data: Any, sheet: Sheet) -> Key:
    """The key of JSON values. Raises `DataError` where it is not the one that the sheet commits to."""
    try:
        key = from_json(Key, data)
    except ConfigError as error:
        raise DataError(f"This is no key of a sheet ({error}); give the key.json that was made with it.") from error
    if commitment(key) != sheet.commitment:
        raise DataError(
            f"This key is not the one that was sealed with the sheet (commitment {sheet.commitment[:12]}); give the "
            "key.json that was made with it."
        )
    return key


def key_text(key: Key) -> str:
    """The key as canonical JSON."""
    return canonical(key)


def _rows(plan: str, starts: Sequence[int], letters: str, secret: bytes) -> tuple[Row, ...]:
    order = _generator(secret, "order")
    pairs = [(int(starts[k]), letters[int(p)]) for k in order.permutation(len(starts)) for p in _turn(order, letters)]
    return tuple(
        Row(place, _trial_code(secret, plan, start, letter), letter, start)
        for place, (start, letter) in enumerate(pairs, 1)
    )


def _turn(order: np.random.Generator, letters: str) -> np.ndarray:
    return order.permutation(len(letters))


def _trial_code(secret: bytes, plan: str, start: int, letter: str) -> str:
    """Letters and digits that say nothing without the secret."""
    mixed = hashlib.sha256(secret + f"{plan} {start} {letter}".encode()).digest()
    return base64.b32encode(mixed).decode()[:_CODE]


def _generator(secret: bytes, what: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(secret + what.encode()).digest(), "big"))
