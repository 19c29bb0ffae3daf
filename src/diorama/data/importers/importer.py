"""`import_dataset`: episodes in a foreign format to a dataset of ours, which is LeRobot v3."""

import os
import shutil
import tempfile
from pathlib import Path

from diorama.core.errors import DataError
from diorama.data.importers.diffusion_policy_zarr import DiffusionPolicyZarr
from diorama.data.importers.npz import CableMotionCapture, CubeTosses
from diorama.data.importers.recording import Format, Recording
from diorama.data.importers.robomimic_hdf5 import RobomimicHdf5
from diorama.data.video import Images, Png
from diorama.data.writer import DatasetWriter

FORMATS: tuple[Format, ...] = (DiffusionPolicyZarr(), RobomimicHdf5(), CubeTosses(), CableMotionCapture())
"""The formats that are read, in the order in which they are tried."""


def import_dataset(
    source: str | Path,
    out: str | Path,
    format: str | None = None,
    *,
    fps: int | float | None = None,
    task: str | None = None,
    images: Images | str = Png(),  # noqa: B008 (immutable)
) -> Path:
    """Write the episodes of ``source`` as a new dataset in the folder ``out``, all of them or nothing; ``out``.

    ``format``: a name out of `FORMATS`, by default detected. ``fps``: the rate of rows [1/s], needed where the format
    does not record it. ``task``: what was being done, by default what the format says or the file's name. ``images``:
    how pictures are stored, by default without loss. The id ``session`` of each episode names where it came from.
    Raises `DataError` for unknown formats, damaged, inconsistent or hostile files, and where ``out`` exists.
    """
    source, out = Path(source), Path(out)
    if not source.exists():
        raise DataError(f"{source} does not exist; give the file or folder to import.")
    if out.exists():
        raise DataError(f"{out} exists already; choose another folder.")
    with _chosen(source, format).open(source) as recording:
        rate = fps or recording.fps
        if not rate:
            raise DataError(f"{source} does not record its rate; give fps, the number of rows for each second.")
        out.parent.mkdir(parents=True, exist_ok=True)
        # A folder of its own until it is whole: a refused file leaves nothing behind.
        partial = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
        try:
            _write(recording, partial / "dataset", float(rate), task or "", source.name.split(".")[0], images)
            os.rename(partial / "dataset", out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return out


def _chosen(source: Path, format: str | None) -> Format:
    names = [known.name for known in FORMATS]
    if format is not None and format not in names:
        raise DataError(f"Unknown format {format!r}; choose one of {names}.")
    for known in FORMATS:
        if format == known.name or (format is None and known.detects(source)):
            return known
    raise DataError(f"{source} is in none of the formats {names}; name one with format=.")


def _write(recording: Recording, path: Path, fps: float, task: str, name: str, images: Images | str) -> None:
    with DatasetWriter(path, fps=fps, features=recording.features, images=images) as writer:
        for episode in recording.episodes():
            writer.append(episode.columns, task or episode.task or name, {"session": episode.source})
