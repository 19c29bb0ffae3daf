"""What each world model can take of a dataset: vectors, pictures or both. JAX-free."""

from dataclasses import replace

import numpy as np

from diorama.core.errors import ConfigError
from diorama.core.spec import ArraySpec, EnvSpec
from diorama.models.config import EnsembleConfig
from diorama.models.diffusion.config import PICTURE_NETWORKS, STATE_NETWORKS, DiffusionConfig
from diorama.models.residual.config import ResidualConfig
from diorama.recipes.config import ModelConfig

PICTURE_MEMORY = 64 * 1024**2
"""About how many bytes of pictures are drawn at once."""


def modelled(spec: EnvSpec, names: tuple[str, ...], model: ModelConfig | None = None) -> EnvSpec:
    """``spec`` with only the observations ``names`` that ``model`` (an ensemble by default) shall learn.

    Without names: all vectors of floating point; where there are none, or the network is one for pictures, all pictures
    (uint8 ``[H, W, C]``). An ensemble takes vectors, a diffusion model vectors or pictures, an RSSM any mix of them.
    Raises `ConfigError` for unknown names, for what the model does not take, and where nothing is left.
    """
    model = model or EnsembleConfig()
    if unknown := sorted(set(names) - set(spec.observation)):
        raise ConfigError(f"The dataset has no observations {unknown}; it has {sorted(spec.observation)}.")
    chosen = names or _by_default(spec, model)
    vectors = [name for name in chosen if is_vector(spec.observation[name])]
    pictures = [name for name in chosen if is_picture(spec.observation[name])]
    if odd := sorted(set(chosen) - {*vectors, *pictures}):
        raise ConfigError(f"{odd} are neither floating point nor pictures (uint8 [H, W, C]); leave them out.")
    if isinstance(model, EnsembleConfig | ResidualConfig):
        _check_ensemble(pictures)
    if isinstance(model, DiffusionConfig):
        _check_diffusion(model, vectors, pictures)
    return replace(spec, observation={name: spec.observation[name] for name in chosen})


def is_vector(array: ArraySpec) -> bool:
    """Whether an observation is floating point."""
    return array.dtype.startswith("float")


def is_picture(array: ArraySpec) -> bool:
    """Whether an observation is a picture: uint8 ``[H, W, C]``."""
    return array.dtype == "uint8" and len(array.shape) == 3


def pictures_of(spec: EnvSpec) -> list[str]:
    """The names of the observations that are pictures."""
    return sorted(name for name, array in spec.observation.items() if is_picture(array))


def affordable(spec: EnvSpec, steps: int, most: int) -> int:
    """How many windows of so many steps may be drawn at once: ``most``, or as many as `PICTURE_MEMORY` holds."""
    row = sum(int(np.prod(spec.observation[name].shape)) for name in pictures_of(spec))
    return max(min(most, PICTURE_MEMORY // (row * (steps + 1))), 1) if row else most


def _by_default(spec: EnvSpec, model: ModelConfig) -> tuple[str, ...]:
    vectors = [name for name, array in spec.observation.items() if is_vector(array) and len(array.shape) == 1]
    pictures = pictures_of(spec)
    if isinstance(model, EnsembleConfig | ResidualConfig):
        needed = "a vector of floating point; this model needs one, an rssm and a diffusion model can take pictures"
        return _some(vectors, spec, needed)
    if isinstance(model, DiffusionConfig) and (model.latent or model.network in PICTURE_NETWORKS):
        what = "a tokenizer" if model.latent else f"the network {model.network!r}"
        needed = f"a picture (uint8 [H, W, C]); {what} needs one, take another for vectors"
        return _some(pictures, spec, needed)
    needed = "a vector of floating point or a picture (uint8 [H, W, C]); a world model needs one, so record one"
    return _some(vectors or pictures, spec, needed)


def _some(names: list[str], spec: EnvSpec, needed: str) -> tuple[str, ...]:
    if not names:
        raise ConfigError(f"None of {sorted(spec.observation)} is {needed}.")
    return tuple(names)


def _check_ensemble(pictures: list[str]) -> None:
    if pictures:
        raise ConfigError(
            f"An ensemble or a hybrid takes vectors, and {pictures} are pictures; "
            "leave them out, or fit an rssm or a diffusion model."
        )


def _check_diffusion(model: DiffusionConfig, vectors: list[str], pictures: list[str]) -> None:
    if vectors and pictures:
        raise ConfigError(
            f"A diffusion model takes vectors or pictures; name {vectors} or {pictures} alone, or fit an rssm to both."
        )
    if vectors and model.latent:
        raise ConfigError(f"A tokenizer makes codes of pictures, and {vectors} are vectors; leave --latent out.")
    known, what = (PICTURE_NETWORKS, pictures) if pictures else (STATE_NETWORKS, vectors)
    if model.network and model.network not in known:
        raise ConfigError(f"The network {model.network!r} cannot model {what}; choose one of {list(known)}.")
