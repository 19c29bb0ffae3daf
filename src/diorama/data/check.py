"""`check_dataset`: every fault of a dataset, each with its mend, as far as reading everything can find it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from diorama.core.errors import DataError
from diorama.data.dataset import Dataset
from diorama.data.features import Feature
from diorama.data.identity import hamming_distance, near_duplicates
from diorama.data.pending import FOLDER
from diorama.data.sealing import dataset_files
from diorama.data.side import SIDE_FILE
from diorama.data.statistics import Stats, column_stats

Severity = Literal["error", "warning", "note"]
_PERCEPT_BITS = 4
"""Bits of a picture's hash that another decoder's rounding may flip; more means another picture."""
_NEAR = 0.9


@dataclass(frozen=True)
class Finding:
    """One fault: ``error`` (the data must not be used), ``warning`` (something is off) or ``note``; and its mend."""

    severity: Severity
    fault: str
    mend: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.fault}; {self.mend}."


def _of(error: DataError) -> Finding:
    fault, _, mend = str(error).rstrip(".").rpartition("; ")
    return Finding("error", fault or mend, mend if fault else "restore it from a copy")


def check_dataset(path: str | Path, pictures: bool = True) -> list[Finding]:
    """Read everything in the dataset in ``path`` and return what is wrong with it, errors first; [] where nothing is.

    Changes nothing on disk. ``pictures=False`` leaves out decoding every frame, which dominates the time.
    """
    root = Path(path)
    try:
        dataset = Dataset.open(root, merge=False)
    except DataError as error:
        return [_of(error)]
    checks: list[Callable[[Dataset], Iterator[Finding]]] = [_columns, _exact, _stats, _files, _ends, _twins, _side]
    if pictures:
        checks.insert(1, _pictures)
    findings = []
    for check in checks:
        try:
            findings.extend(check(dataset))
        except DataError as error:
            findings.append(_of(error))
    order: tuple[Severity, ...] = ("error", "warning", "note")
    return sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.severity))


def require_sound(path: str | Path, pictures: bool = True) -> None:
    """Raise `DataError` with the first error that `check_dataset` finds, and the number of further ones."""
    errors = [finding for finding in check_dataset(path, pictures) if finding.severity == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more errors)" if len(errors) > 1 else ""
        raise DataError(f"{errors[0].fault}{more}; {errors[0].mend}.")


def _columns(dataset: Dataset) -> Iterator[Finding]:
    for key, feature in dataset.info.features.items():
        if not feature.is_camera:
            try:
                dataset.column(key)
            except DataError as error:
                yield _of(error)


def _pictures(dataset: Dataset) -> Iterator[Finding]:
    for key in dataset.camera_keys:
        for episode in range(dataset.num_episodes):
            try:
                dataset.frames(key, episode)
            except DataError as error:
                yield _of(error)


def _exact(dataset: Dataset) -> Iterator[Finding]:
    if dataset.side is None:
        return
    for k, identity in enumerate(dataset.side.episodes):
        found = dataset.compute_identity(k, identity.ids)
        if found.exact != identity.exact:
            yield Finding(
                "error", f"Episode {k} is not the one that was sealed", "restore its data, or seal on purpose"
            )
        for key, hashes in identity.percept.items():
            pairs = zip(hashes, found.percept.get(key, ()), strict=False)
            if any(hamming_distance(left, right) > _PERCEPT_BITS for left, right in pairs):
                yield Finding("warning", f"Pictures of {key!r} in episode {k} look unlike those sealed", "look at them")


def _stats(dataset: Dataset) -> Iterator[Finding]:
    mend = "compute them again"
    if not dataset.num_episodes:
        return
    stored = dataset.info.codebase_version == "v2.1" or (dataset.path / "meta/stats.json").exists()
    known = dataset.stats if stored else {}
    for key, feature in dataset.info.features.items():
        if feature.is_camera or feature.dtype == "string":
            continue
        if key not in known or "mean" not in known[key]:
            yield Finding("warning", f"There are no statistics of {key!r}", mend)
        elif not any(_agree(known[key], true) for true in _true(feature, dataset.column(key))):
            yield Finding("warning", f"The statistics of {key!r} are not those of the data", mend)


def _true(feature: Feature, values: np.ndarray) -> Iterator[Stats]:
    """The statistics as `column_stats` takes them, and of each entry on its own, as LeRobot did before v3.0."""
    yield column_stats(feature, values)
    if len(feature.shape) > 1:
        entries = column_stats(Feature(feature.dtype, (values[0].size,)), values.reshape(len(values), -1))
        yield {name: value if name == "count" else value.reshape(feature.shape) for name, value in entries.items()}


def _agree(known: Stats, true: Stats) -> bool:
    scale = np.maximum(np.abs(true["max"] - true["min"]), 1e-6 * np.maximum(1.0, np.abs(true["max"])))
    names = ("min", "max", "mean", "std")
    same_shape = all(np.shape(known.get(name)) == true[name].shape for name in names)
    return same_shape and all((np.abs(known[name] - true[name]) <= 1e-3 * scale).all() for name in names)


def _files(dataset: Dataset) -> Iterator[Finding]:
    known = {*dataset_files(dataset), SIDE_FILE}
    folders = ("data", "videos", "meta/episodes")
    found = [path for folder in folders for path in sorted((dataset.path / folder).rglob("*")) if path.is_file()]
    for path in found:
        name = path.relative_to(dataset.path).as_posix()
        if name not in known:
            yield Finding(
                "warning", f"{name} belongs to no episode (LeRobot reads every file there)", "delete the file"
            )
    waiting = len(list((dataset.path / FOLDER).glob("episode-*.parquet")))
    if waiting:
        yield Finding(
            "warning", f"{waiting} finished episodes wait to be merged", "open the dataset once with Dataset.open"
        )


def _ends(dataset: Dataset) -> Iterator[Finding]:
    if "next.done" not in dataset.features or not dataset.num_episodes:
        return
    done = dataset.column("next.done").astype(bool).reshape(-1)
    for k in np.flatnonzero(~done[dataset.starts + dataset.lengths - 1])[:3]:
        yield Finding("note", f"next.done is false at the last row of episode {k}", "set it, if the episode is whole")


def _twins(dataset: Dataset) -> Iterator[Finding]:
    for i, j, similarity in near_duplicates(dataset.identities, _NEAR):
        if similarity == 1.0 and dataset.identities[i].exact == dataset.identities[j].exact:
            yield Finding("warning", f"Episodes {i} and {j} are the same episode", "remove one of them")
        else:
            yield Finding(
                "note", f"Episodes {i} and {j} move alike ({similarity:.2f})", "keep them on one side of a split"
            )


def _side(dataset: Dataset) -> Iterator[Finding]:
    if dataset.side is None:
        mend = "seal it with diorama.data.seal"
        yield Finding("note", "There is no meta/diorama.json, so changes of the content go unseen", mend)
