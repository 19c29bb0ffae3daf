"""Builders of residual models for artifacts. Which physics there are, the caller says: models know no environments."""

from collections.abc import Callable, Mapping

from diorama.core import ConfigError, EnvSpec
from diorama.core.artifact import Builder
from diorama.models.residual.config import ResidualConfig
from diorama.models.residual.model import Residual
from diorama.models.residual.physics import Physics, Still

Known = Mapping[str, Callable[[EnvSpec], Physics]]
"""The name of a physics to what builds it for the spec of a model. Its arrays are read from the artifact."""


def residual_builder(known: Known) -> Builder:
    """The builder of residual models over any of the ``known`` physics, or over none."""

    def build(config: ResidualConfig, spec: EnvSpec, seed: int) -> Residual:
        if not config.physics:
            return Residual.build(config, spec, seed, Still())
        if config.physics not in known:
            raise ConfigError(
                f"The physics {config.physics!r} is not known here, only {sorted(known)}; load the model with the "
                "builder that names it, for Push-T diorama.recipes.push_t_hybrid.load_hybrid."
            )
        return Residual.build(config, spec, seed, known[config.physics](spec))

    return Builder(ResidualConfig, build)
