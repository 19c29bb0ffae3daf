"""robomimic HDF5 files: ``data/demo_k/{obs/*, actions, rewards, dones}``.

Source: Mandlekar et al., "What Matters in Learning from Offline Human Demonstrations", CoRL 2021. If a demo
has ``next_obs``, its last entry becomes one more row, so that the outcome of the last action is kept. ``states`` (of
the simulator) and ``model_file`` are left behind. Links to other files are refused.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.errors import DataError
from diorama.data.features import Feature
from diorama.data.importers.recording import (
    Episode,
    Format,
    Recording,
    check_episode_size,
    check_rows,
    column_name,
    extra,
    feature_of,
    reading,
    to_column,
)

OUTCOMES = {"rewards": ("next.reward", Feature("float32", ())), "dones": ("next.done", Feature("bool", ()))}
MAGIC = b"\x89HDF\r\n\x1a\n"


class RobomimicHdf5(Format):
    """``*.hdf5`` and ``*.h5`` files."""

    name = "robomimic-hdf5"

    def detects(self, path: Path) -> bool:
        """A file that begins as HDF5 does."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC

    @contextlib.contextmanager
    def open(self, path: Path) -> Iterator[Recording]:
        """Observations become ``observation.*``; the rate is ``control_freq`` in ``env_args`` where it is there."""
        h5py = extra("h5py", "Reading an HDF5 file")
        with contextlib.ExitStack() as stack:
            with reading(path):
                file = stack.enter_context(h5py.File(path, "r"))
                data = _child(h5py, file, "data", path)
                names = sorted((n for n in data if re.fullmatch(r"demo_\d+", n)), key=lambda n: int(n[5:]))
                fps = _fps(data)
                if not names:
                    raise DataError(f"{path} has no data/demo_0; it is not a robomimic file.")
                features = _features(_arrays(h5py, data, names[0], path), path)

            def episodes() -> Iterator[Episode]:
                for name in names:
                    with reading(path):
                        columns = _read(_arrays(h5py, data, name, path), features, path)
                    yield Episode(columns, "", f"{path.name}#{name}")

            yield Recording(features, fps, len(names), episodes)


def _child(h5py: Any, group: Any, name: str, path: Path) -> Any:
    """``group[name]``, which must lie in this very file."""
    if not isinstance(group, h5py.Group) or name not in group:
        raise DataError(f"{path} has no {group.name}/{name}; it is not a robomimic file.")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise DataError(f"{path}: {group.name}/{name} is a link; copy the data into the file.")
    child = group[name]
    if isinstance(child, h5py.Dataset) and (child.external or child.is_virtual):
        raise DataError(f"{path}: {child.name} is stored in another file; copy the data into this one.")
    return child


def _arrays(h5py: Any, data: Any, name: str, path: Path) -> dict[str, Any]:
    """The datasets of one demonstration by path inside it, all with the same number of rows."""
    demo = _child(h5py, data, name, path)
    arrays = {"actions": _child(h5py, demo, "actions", path)}
    arrays |= {key: _child(h5py, demo, key, path) for key in OUTCOMES if key in demo}
    for group in ("obs", "next_obs"):
        if group == "obs" or group in demo:
            folder = _child(h5py, demo, group, path)
            arrays |= {f"{group}/{key}": _child(h5py, folder, key, path) for key in folder}
    for key, array in arrays.items():
        if not isinstance(array, h5py.Dataset):
            raise DataError(f"{path}: {array.name} is a group, not an array; flatten it first.")
        check_rows(f"{name}/{key}", array.shape, array.dtype, path, arrays["actions"].shape[0])
        check_episode_size(float(np.prod(array.shape, dtype=np.float64)) * array.dtype.itemsize, path)
    return arrays


def _features(arrays: dict[str, Any], path: Path) -> dict[str, Feature]:
    features = {"action": feature_of(arrays["actions"].shape[1:], arrays["actions"].dtype)}
    for key, array in arrays.items():
        if key.startswith("obs/"):
            name = column_name(key.removeprefix("obs/"), array.shape[1:], path)
            features[name] = feature_of(array.shape[1:], array.dtype)
    return features | {name: feature for key, (name, feature) in OUTCOMES.items() if key in arrays}


def _read(arrays: dict[str, Any], features: dict[str, Feature], path: Path) -> dict[str, np.ndarray]:
    keys = {key: key.removeprefix("obs/") for key in arrays if key.startswith("obs/")}
    seen = {f"next_{key}" for key in keys}
    more = bool(seen) and seen <= set(arrays)
    named = {column_name(plain, arrays[key].shape[1:], path): key for key, plain in keys.items()}
    named |= {"action": "actions"} | {OUTCOMES[key][0]: key for key in OUTCOMES if key in arrays}
    if set(named) != set(features):
        raise DataError(
            f"{path}: {arrays['actions'].name} has other observations than the first demonstration; refused."
        )
    columns = {}
    for name, key in named.items():
        values = np.asarray(arrays[key][()])
        if more:
            last = arrays[f"next_{key}"][-1:] if key.startswith("obs/") else values[-1:]
            values = np.concatenate([values, last])
        columns[name] = to_column(values, features[name], name, path)
    return columns


def _fps(data: Any) -> float | None:
    """The control rate [1/s] that the file records, else None."""
    try:
        rate = json.loads(data.attrs["env_args"])["env_kwargs"]["control_freq"]
    except (KeyError, TypeError, ValueError):
        return None
    return float(rate) if isinstance(rate, (int, float)) and 0 < rate < 1e5 else None
