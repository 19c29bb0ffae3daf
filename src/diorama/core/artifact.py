"""Artifacts: a built `Module` as a folder of canonical JSON and safetensors. Loading executes nothing from the folder.

``artifact.json`` holds the schema version, the kind, the configuration and the spec (units, bounds, control period).
``weights.safetensors`` holds every array of the module under its name path, such as ``layers.0.weight``, the
normaliser's statistics included. The reader gives the builders, a mapping from a kind to what builds the bare module,
so nothing in the folder can name code.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from diorama.core.canonical import canonical, from_json, to_json
from diorama.core.errors import ConfigError, DataError
from diorama.core.files import write_atomically
from diorama.core.module import Module, is_array
from diorama.core.spec import EnvSpec

SCHEMA = 1
DESCRIPTION = "artifact.json"
WEIGHTS = "weights.safetensors"
_FIELDS = {"schema", "kind", "config", "spec"}

Tree = TypeVar("Tree")


class Builder(NamedTuple):
    """How to rebuild one kind: the class of its configuration, and ``build(config, spec, seed) -> Module``."""

    config: type
    build: Callable[[Any, EnvSpec, int], Module]


def save_artifact(folder: str | Path, module: Module, *, kind: str, config: Any, spec: EnvSpec) -> Path:
    """Write ``module`` to ``folder`` (made when missing), each file atomically, the description last."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    description = {"schema": SCHEMA, "kind": kind, "config": to_json(config), "spec": to_json(spec)}
    write_atomically(folder / WEIGHTS, save(named_arrays(module)))
    write_atomically(folder / DESCRIPTION, canonical(description).encode())
    return folder


def load_artifact(folder: str | Path, builders: Mapping[str, Builder]) -> Module:
    """The module in ``folder``.

    Raises `DataError` where the folder is incomplete, damaged, or of an unknown schema or kind, and where the arrays do
    not fit the configuration.
    """
    folder = Path(folder)
    description = read_description(folder)
    kind = description["kind"]
    if kind not in builders:
        raise DataError(f"{folder} holds a {kind!r}; this loader knows {sorted(builders)}.")
    builder = builders[kind]
    try:
        config = from_json(builder.config, description["config"], f"config of {kind}")
        spec = from_json(EnvSpec, description["spec"], f"spec of {kind}")
    except ConfigError as error:
        raise DataError(f"{folder / DESCRIPTION}: {error}") from error
    return restore_arrays(builder.build(config, spec, 0), read_arrays(folder / WEIGHTS), str(folder))


def read_description(folder: str | Path) -> dict[str, Any]:
    """The checked contents of ``artifact.json``: schema, kind, config and spec as plain JSON values."""
    path = Path(folder) / DESCRIPTION
    try:
        description = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); save the artifact again.") from error
    if not isinstance(description, dict) or set(description) != _FIELDS:
        raise DataError(f"{path} must have exactly the fields {sorted(_FIELDS)}; it is not an artifact of Diorama.")
    if description["schema"] != SCHEMA:
        raise DataError(f"{path} has schema {description['schema']!r}, this version reads {SCHEMA}; upgrade Diorama.")
    return description


def named_arrays(tree: Any) -> dict[str, np.ndarray]:
    """Every array of a pytree under its name path, as NumPy. Keys of the PRNG become their raw numbers."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {_name(path): np.asarray(_raw(leaf), order="C") for path, leaf in leaves if is_array(leaf)}


def restore_arrays(tree: Tree, arrays: Mapping[str, np.ndarray], origin: str) -> Tree:
    """``tree`` with the named arrays in place of its own. Raises `DataError` naming missing, extra or misfit ones."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    wanted = {_name(path): leaf for path, leaf in leaves if is_array(leaf)}
    _check_names(set(wanted), set(arrays), origin)
    return jax.tree_util.tree_unflatten(
        structure,
        [_fit(leaf, arrays[_name(path)], _name(path), origin) if is_array(leaf) else leaf for path, leaf in leaves],
    )


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file. Raises `DataError` where it is missing or damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} is missing or damaged ({error}); restore it from where it came.") from error


def _name(path: tuple) -> str:
    return ".".join(str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", key)))) for key in path)


def _raw(leaf: Any) -> np.ndarray:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def _check_names(wanted: set[str], found: set[str], origin: str) -> None:
    if missing := sorted(wanted - found):
        raise DataError(f"{origin} lacks the arrays {missing[:5]}; its weights belong to another configuration.")
    if extra := sorted(found - wanted):
        raise DataError(f"{origin} has unknown arrays {extra[:5]}; its weights belong to another configuration.")


def _fit(leaf: Any, array: np.ndarray, name: str, origin: str) -> Any:
    raw = _raw(leaf)
    if raw.shape != array.shape or raw.dtype != array.dtype:
        raise DataError(
            f"{origin}: {name} is {array.dtype}{list(array.shape)}, the configuration asks for "
            f"{raw.dtype}{list(raw.shape)}; the weights belong to another configuration."
        )
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
    return jnp.asarray(array)
