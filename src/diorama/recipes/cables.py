"""A measured cable from its recordings to a model that is scored on other recordings of it: law, then law and residual.

The training split alone decides everything; some of its trajectories are held out for selection. What is made is kept
in a folder, and used again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from safetensors.numpy import save

from diorama.core.artifact import named_arrays, read_arrays, restore_arrays
from diorama.core.canonical import canonical, from_json, to_json
from diorama.core.errors import DataError
from diorama.core.files import write_atomically
from diorama.envs.rope.cable import Cable, roll_out
from diorama.envs.rope.mocap import CLAMPED, GIVEN, Recording
from diorama.learn.checkpoint import Checkpoints
from diorama.learn.progress import Progress, silent
from diorama.models.residual.strand import Strand
from diorama.recipes.cable_correction import corrector, train
from diorama.recipes.cable_identification import batch_last, clamped, guess, identify, mounting
from diorama.recipes.cables_config import CablesConfig

Tree = TypeVar("Tree")
_CABLE, _STRAND, _CONFIG = "cable.safetensors", "residual.safetensors", "config.json"


@dataclass(frozen=True)
class Model:
    """A law, and what corrects it; ``strand`` None is the law alone."""

    cable: Cable
    strand: Strand | None
    substeps: int

    def predict(self, recording: Recording) -> Float[np.ndarray, "N P V 3"]:
        """The frames after the given ones [m], open loop; the clamped vertices follow their measured path."""
        seen = batch_last(recording.vertices)
        frames = np.asarray(_predict(self, seen), np.float64).transpose(3, 0, 2, 1)
        held = [*range(CLAMPED), *range(-CLAMPED, 0)]
        frames[:, :, held] = recording.vertices[:, GIVEN:, held]
        return frames


def _predict(model: Model, seen: jax.Array) -> jax.Array:
    correct = corrector(model.strand)
    program = jax.jit(
        lambda frames: roll_out(
            model.cable, frames[0], frames[1], clamped(frames[GIVEN:]), substeps=model.substeps, correct=correct
        )
    )
    return program(seen)


def selection(config: CablesConfig, recording: Recording) -> tuple[Recording, Recording]:
    """What is trained on, and what is held out of it: as many as the settings say, but at most a quarter."""
    return recording.split(min(config.held_out, max(1, len(recording.trajectory) // 4)), config.seed)


def identified(config: CablesConfig, recording: Recording, folder: Path, *, progress: Progress = silent) -> Model:
    """The law alone, from the training split ``recording``.

    What ``folder`` holds of an earlier call is used again. Raises `DataError` where it was made with other settings.
    """
    _own(config, recording, folder)
    training = selection(config, recording)[0]
    bare = guess(recording.vertices.shape[2]).cable(mounting(training))
    cable = _kept(folder / _CABLE, bare, lambda: identify(config.identify, training, progress=progress))
    return Model(cable, None, config.identify.substeps)


def corrected(
    config: CablesConfig, recording: Recording, folder: Path, law: Model, *, progress: Progress = silent
) -> Model:
    """``law`` with a residual trained on the same split; a run that was stopped goes on from its last checkpoint."""
    _own(config, recording, folder)
    training, held_out = selection(config, recording)

    def trained() -> Strand:
        place = Checkpoints(folder / "checkpoints")
        given = (config.correct, law.cable, training, held_out)
        return train(*given, substeps=law.substeps, progress=progress, checkpoints=place)

    strand = _kept(folder / _STRAND, Strand.build(config.correct.hidden, config.correct.seed), trained)
    return Model(law.cable, strand, law.substeps)


def kept_models(folder: Path, recording: Recording) -> dict[str, Model]:
    """What `identified` and `corrected` left in ``folder`` for the training split ``recording``, by name.

    Raises `DataError` where there is no cable in it.
    """
    told = folder / _CONFIG
    if not told.exists() or not (folder / _CABLE).exists():
        raise DataError(f"{folder} holds no identified cable; make one with benchmarks/rope/cables.py.")
    config = from_json(CablesConfig, json.loads(told.read_text())["config"], str(told))
    law = identified(config, recording, folder)
    models = {"identified rod": law}
    if (folder / _STRAND).exists():
        models["identified rod + residual"] = corrected(config, recording, folder, law)
    return models


def _own(config: CablesConfig, recording: Recording, folder: Path) -> None:
    """Write the settings, or check that the folder was made with the same."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [str(name) for name in recording.trajectory]
    told = canonical({"config": to_json(config), "cable": recording.name, "trajectories": names})
    path = folder / _CONFIG
    if path.exists() and path.read_text() != told:
        raise DataError(f"{folder} was made with other settings or another cable; give another folder.")
    write_atomically(path, told)


def _kept(path: Path, template: Tree, make: Callable[[], Tree]) -> Tree:
    """What the file holds, in the shape of ``template``; what ``make`` makes, and a new file, where there is none."""
    if path.exists():
        return jax.tree.map(jnp.asarray, restore_arrays(template, read_arrays(path), str(path)))
    made = make()
    write_atomically(path, save(named_arrays(made)))
    return made
