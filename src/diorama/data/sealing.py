"""Sealing: give a dataset of others its side file, or accept changes that other tools made to one of ours."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from diorama.core.errors import DataError
from diorama.core.spec import EnvSpec
from diorama.data.dataset import Dataset
from diorama.data.guard import require
from diorama.data.side import SIDE_FILE, Side, bounds_of, file_digest, read_side


def dataset_files(dataset: Dataset) -> list[str]:
    """Relative paths of the files that a dataset consists of, the side file left out."""
    names = {*dataset.table.files, *dataset.table.meta_files}
    for places in dataset.table.videos.values():
        names |= set(places.files)
    names |= {
        path.relative_to(dataset.path).as_posix() for path in (dataset.path / "meta").glob("*.*") if path.is_file()
    }
    return sorted(names - {SIDE_FILE})


def seal(path: str | Path, ids: Sequence[Mapping[str, str]] | None = None, spec: EnvSpec | None = None) -> str:
    """Write ``meta/diorama.json`` for a dataset as it now is, and return its version (Merkle root).

    Everything is read and hashed. ``ids`` gives each episode's identifiers, ``spec`` units, bounds and control period;
    what is not given is kept from the present side file where that is intact and has as many episodes. Raises
    `DataError` for a dataset that cannot be read.
    """
    root = Path(path)
    try:
        old = read_side(root)
    except DataError:
        old = None
    dataset = Dataset.open(root, sealed=False)
    kept = old.episodes if old is not None and len(old.episodes) == dataset.num_episodes else []
    named = ids if ids is not None else [episode.ids for episode in kept] or [{}] * dataset.num_episodes
    counted = len(named) == dataset.num_episodes
    require(counted, f"{len(named)} sets of identifiers for {dataset.num_episodes} episodes; give one for each.")
    episodes = [dataset.compute_identity(k, own) for k, own in enumerate(named)]
    files = {name: file_digest(root / name) for name in dataset_files(dataset)}
    side = replace(old or Side(), episodes=episodes, files=files)
    if spec is not None:
        side = replace(side, bounds=bounds_of(spec), control_period=float(spec.control_period))
    partial = root / f"{SIDE_FILE}.partial"
    partial.write_bytes(side.to_bytes())
    os.replace(partial, root / SIDE_FILE)
    return side.version
