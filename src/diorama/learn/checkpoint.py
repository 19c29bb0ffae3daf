"""Checkpoints: a training state as a folder, written so that a crash at any moment leaves the older ones usable."""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from safetensors.numpy import save

from diorama.core.artifact import named_arrays, read_arrays, restore_arrays
from diorama.core.canonical import canonical
from diorama.core.errors import DataError
from diorama.core.files import write_atomically

State = TypeVar("State")
_ARRAYS = "state.safetensors"
_DESCRIPTION = "state.json"


@dataclass(frozen=True)
class Checkpoints:
    """The last ``keep`` checkpoints in ``folder``, one sub-folder each. Names sort by step."""

    folder: Path
    keep: int = 3

    def save(self, state: object, step: int) -> Path:
        """Write a checkpoint beside the others and move it into place at once; drop the oldest beyond ``keep``."""
        place = self.folder / f"step-{step:010d}"
        partial = place.with_name(place.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        content = save(named_arrays(state))
        write_atomically(partial / _ARRAYS, content)
        description = {"step": step, "sha256": hashlib.sha256(content).hexdigest()}
        write_atomically(partial / _DESCRIPTION, canonical(description).encode())
        shutil.rmtree(place, ignore_errors=True)
        os.replace(partial, place)
        for old in self._places()[: -self.keep]:
            shutil.rmtree(old)
        return place

    def restore(self, template: State) -> State | None:
        """The newest state that is whole, in the shape of ``template``; None where there is none.

        A damaged checkpoint is passed over for the one before it. Raises `DataError` where a whole checkpoint belongs
        to another configuration.
        """
        for place in reversed(self._places()):
            if self._whole(place):
                return restore_arrays(template, read_arrays(place / _ARRAYS), str(place))
        return None

    def _places(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("step-*") if p.suffix != ".partial")

    def _whole(self, place: Path) -> bool:
        try:
            description = json.loads((place / _DESCRIPTION).read_text())
            found = hashlib.sha256((place / _ARRAYS).read_bytes()).hexdigest()
            return found == description["sha256"]
        except (OSError, ValueError, KeyError, TypeError, DataError):
            return False
