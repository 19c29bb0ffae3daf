"""Import of a foreign checkpoint as an opaque version: kept, named and followed, never run.

Diorama knows the declared spec and the bytes, and not how to run them. The version has the field ``opaque``, so that no
loader takes it for one of its own; whatever runs it registers its evaluations on this version.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from diorama.core.canonical import from_json, to_json
from diorama.core.errors import ConfigError, DataError, SpecError
from diorama.core.spec import EnvSpec
from diorama.registry.header import Limits, Tensor, open_regular, parse_json, read_header
from diorama.registry.records import Edge, Manifest, Version

KINDS = ("simulator", "policy")
"""What a foreign checkpoint can be registered as."""


@runtime_checkable
class Store(Protocol):
    """What an import needs of a registry."""

    def add_blob(self, content: Path | bytes) -> str:
        """Keep a blob; returns its digest."""

    def register(self, manifest: Manifest) -> Version:
        """Register a manifest."""


def import_opaque(
    registry: Store,
    checkpoints: str | Path | Sequence[str | Path],
    *,
    kind: str,
    name: str,
    spec: EnvSpec | Mapping[str, Any],
    config: str | Path | None = None,
    facts: Mapping[str, Any] | None = None,
    edges: Sequence[Edge] = (),
    limits: Limits | None = None,
) -> Version:
    """Register safetensors files that another framework wrote, as a simulator or a policy of family ``name``.

    ``spec`` declares what the model takes and gives. ``config``: a foreign JSON file, kept as it is. ``facts``: JSON
    fields that the importer vouches for, such as ``licence`` and ``source``. ``edges``: what is known of its descent.
    Every file is checked whole before anything is kept. Raises `DataError` naming the fault.
    """
    limits = limits or Limits()
    if kind not in KINDS:
        raise DataError(f"A foreign checkpoint is imported as one of {', '.join(KINDS)}, not as {kind!r}.")
    paths = _paths(checkpoints)
    before = [_state(path) for path in paths]
    tensors = _read_all(paths, limits)
    declared = _spec(spec)
    settings = _config(config, limits)
    blobs = _add(registry, paths, settings)
    if [_state(path) for path in paths] != before:
        raise DataError(f"{paths[0].name} changed while it was imported; import it again when nothing writes to it.")
    fields = {**(facts or {}), "opaque": True, "spec": to_json(declared), "tensors": _summary(tensors)}
    return registry.register(Manifest(kind, name, fields, blobs, tuple(edges)))


def _paths(checkpoints: str | Path | Sequence[str | Path]) -> list[Path]:
    if isinstance(checkpoints, str | Path):
        checkpoints = (checkpoints,)
    if not checkpoints:
        raise DataError("No checkpoint was given; name at least one safetensors file.")
    return [Path(path) for path in checkpoints]


def _read_all(paths: list[Path], limits: Limits) -> list[Tensor]:
    tensors = [tensor for path in paths for tensor in read_header(path, limits)]
    twice = [name for name, count in Counter(tensor.name for tensor in tensors).items() if count > 1]
    if twice:
        raise DataError(f"Tensor {twice[0]!r} stands in two of the files; give the shards of one checkpoint.")
    return tensors


def _spec(spec: EnvSpec | Mapping[str, Any]) -> EnvSpec:
    if isinstance(spec, EnvSpec):
        return spec
    try:
        return from_json(EnvSpec, spec, "spec")
    except (ConfigError, SpecError) as error:
        raise DataError(f"The declared spec cannot be read: {error}") from error


def _config(path: str | Path | None, limits: Limits) -> bytes | None:
    """The bytes of a foreign configuration: sound JSON, of bounded size."""
    if path is None:
        return None
    with open_regular(Path(path)) as file:
        content = file.read(limits.json_bytes + 1)
    if len(content) > limits.json_bytes:
        raise DataError(f"{Path(path).name} has more than the {limits.json_bytes} bytes allowed; raise the limit.")
    parse_json(content, Path(path).name)
    return content


def _add(registry: Store, paths: list[Path], settings: bytes | None) -> dict[str, str]:
    """Keep the files under names of our own: no name of a foreign file enters a manifest."""
    blobs = {_shard(index, len(paths)): registry.add_blob(path) for index, path in enumerate(paths, 1)}
    return blobs if settings is None else blobs | {"config.json": registry.add_blob(settings)}


def _shard(index: int, count: int) -> str:
    return "weights.safetensors" if count == 1 else f"weights-{index:05d}-of-{count:05d}.safetensors"


def _state(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written or replaced: which file it is, its size, its last write [ns]."""
    with open_regular(path):
        found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _summary(tensors: list[Tensor]) -> dict[str, Any]:
    return {
        "count": len(tensors),
        "parameters": sum(tensor.size for tensor in tensors),
        "bytes": sum(tensor.end - tensor.begin for tensor in tensors),
        "dtypes": dict(sorted(Counter(tensor.dtype for tensor in tensors).items())),
    }
