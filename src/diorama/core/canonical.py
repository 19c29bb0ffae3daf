"""Canonical JSON: the one text of a configuration or a spec, and its digest. JAX-free.

Configurations are frozen dataclasses. Their JSON has sorted keys, no spaces, and no NaN; infinities are the strings
``"inf"`` and ``"-inf"``. Reading checks every key and every type, so a misspelt option is an error and never ignored.
"""

import dataclasses
import hashlib
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from diorama.core.errors import ConfigError

Config = TypeVar("Config")
_INFINITY = {"inf": math.inf, "-inf": -math.inf}


def to_json(config: Any) -> Any:
    """A dataclass (or mapping, sequence, number, text) as plain JSON values. Raises `ConfigError` for anything else."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {str(key): to_json(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [to_json(value) for value in config]
    if isinstance(config, float) and not math.isfinite(config):
        return _infinite(config)
    if config is None or isinstance(config, bool | int | float | str):
        return config
    raise ConfigError(f"{type(config).__name__} has no canonical JSON; use numbers, text, tuples or dataclasses.")


def canonical(data: Any) -> str:
    """The canonical text of anything that `to_json` accepts."""
    return json.dumps(to_json(data), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def digest(data: Any) -> str:
    """The SHA-256 of the canonical text, in hexadecimal: the identity of a configuration."""
    return hashlib.sha256(canonical(data).encode()).hexdigest()


def from_json(cls: type[Config], data: Any, where: str = "") -> Config:
    """Build the dataclass ``cls`` from plain JSON values. Missing keys take their default.

    Raises `ConfigError` for unknown keys, missing keys without a default and values of another type.
    """
    where = where or cls.__name__
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where} must be an object with named fields, not {type(data).__name__}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if unknown := sorted(set(data) - set(fields)):
        raise ConfigError(f"{where} has unknown keys {unknown}; it knows {sorted(fields)}.")
    hints = typing.get_type_hints(cls)
    values = {name: _read(hints[name], value, f"{where}.{name}") for name, value in data.items()}
    if lacking := sorted(n for n, f in fields.items() if n not in values and _required(f)):
        raise ConfigError(f"{where} lacks {lacking}; add them.")
    return cls(**values)


def _infinite(value: float) -> str:
    if math.isnan(value):
        raise ConfigError("NaN has no canonical JSON; leave the value out.")
    return "inf" if value > 0 else "-inf"


def _required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _read(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _read_union(typing.get_args(hint), value, where)
    if origin is typing.Literal:
        return _read_choice(typing.get_args(hint), value, where)
    if origin is tuple:
        return _read_tuple(typing.get_args(hint), value, where)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return _read_mapping(typing.get_args(hint)[1], value, where)
    if dataclasses.is_dataclass(hint):
        return from_json(hint, value, where)
    return _read_scalar(hint, value, where)


def _read_union(hints: tuple[Any, ...], value: Any, where: str) -> Any:
    reasons = []
    for hint in hints:
        try:
            return _read(hint, value, where)
        except ConfigError as error:
            reasons.append(str(error))
    raise ConfigError(reasons[0])


def _read_choice(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in choices:
        raise ConfigError(f"{where} must be one of {list(choices)}, not {value!r}.")
    return value


def _read_tuple(hints: tuple[Any, ...], value: Any, where: str) -> tuple:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} must be a list, not {type(value).__name__}.")
    if len(hints) == 2 and hints[1] is Ellipsis:
        return tuple(_read(hints[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(hints) != len(value):
        raise ConfigError(f"{where} must have {len(hints)} entries, not {len(value)}.")
    return tuple(_read(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(zip(hints, value, strict=True)))


def _read_mapping(hint: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be an object with named fields, not {type(value).__name__}.")
    return {str(key): _read(hint, item, f"{where}.{key}") for key, item in value.items()}


def _read_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, str) and value in _INFINITY:
        return _INFINITY[value]
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint is types.NoneType and value is None:
        return None
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    wanted = "null" if hint is types.NoneType else getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{where} must be {wanted}, not {value!r}.")
