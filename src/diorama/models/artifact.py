"""Build, save and load models: the kinds of model that an artifact may hold.

``builders``: the kinds that are known; `BUILDERS` are those that need nothing beyond this package.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diorama.core import ConfigError, EnvSpec, WorldModel
from diorama.core.artifact import Builder, load_artifact, save_artifact
from diorama.models.config import EnsembleConfig
from diorama.models.diffusion import Diffusion, DiffusionConfig
from diorama.models.ensemble import Ensemble
from diorama.models.rssm import RSSM, RSSMConfig

BUILDERS = {
    "diffusion": Builder(DiffusionConfig, Diffusion.build),
    "ensemble": Builder(EnsembleConfig, Ensemble.build),
    "rssm": Builder(RSSMConfig, RSSM.build),
}
"""Kind to its builder. A new kind of model is a new entry."""
Builders = Mapping[str, Builder]


def build(config: Any, spec: EnvSpec, seed: int = 0, builders: Builders = BUILDERS) -> WorldModel:
    """An untrained model. Raises `ConfigError` where no kind of model has such a configuration."""
    return builders[kind_of(config, builders)].build(config, spec, seed)


def save(folder: str | Path, model: WorldModel, config: Any, builders: Builders = BUILDERS) -> Path:
    """Write a model and its configuration as an artifact."""
    return save_artifact(folder, model, kind=kind_of(config, builders), config=config, spec=model.spec)


def load(folder: str | Path, builders: Builders = BUILDERS) -> WorldModel:
    """Read a model; see `load_artifact` for the errors."""
    return load_artifact(folder, builders)


def kind_of(config: Any, builders: Builders = BUILDERS) -> str:
    """The kind whose configuration this is."""
    for kind, builder in builders.items():
        if type(config) is builder.config:
            return kind
    raise ConfigError(f"{type(config).__name__} configures no model; use one of {sorted(builders)}.")
