"""Configurations as builds recorded them. The classes of models are not in the JSON: their kinds stand beside it."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from diorama.core.canonical import from_json, to_json
from diorama.core.errors import DataError
from diorama.recipes.any_model import BUILDERS, kind_of
from diorama.recipes.config import WorldConfig
from diorama.recipes.coupled_config import CoupledConfig

RUN = "run"
_WORLDS = ("world", "local")
_NAMES = tuple(field.name for field in dataclasses.fields(CoupledConfig))


class Part(NamedTuple):
    """A part of a run: what it is, such as ``policy``, and of which round."""

    what: str
    number: int


def recorded_run(config: CoupledConfig) -> dict[str, Any]:
    """The settings of a `diorama run` as its builds record them."""
    kinds = {what: kind_of(getattr(config, what).model) for what in _WORLDS}
    return to_json(config) | {"verb": RUN, "models": kinds}


def run_settings(command: Mapping[str, Any]) -> CoupledConfig:
    """The configuration of a run that one of its builds recorded. Raises `DataError` where it recorded none."""
    try:
        data = {name: command[name] for name in _NAMES} | {what: {} for what in _WORLDS}
        worlds = {what: _world(command[what], command["models"][what]) for what in _WORLDS}
    except (KeyError, TypeError) as error:
        raise DataError(
            f"This build of `diorama run` records no {error}, so its settings are not known; run the command again "
            "with a new --out."
        ) from error
    return dataclasses.replace(from_json(CoupledConfig, data), **worlds)


def part_of(command: Mapping[str, Any], config: CoupledConfig) -> Part:
    """Which part of a run a build made. Names without a number are of the last round."""
    what, number = re.fullmatch(r"(.+?)(?:-(\d+))?", str(command.get("part"))).groups()
    return Part(what, config.patches if number is None else int(number))


def world_settings(command: Mapping[str, Any]) -> WorldConfig:
    """How a world was fitted first, by `diorama fit` or in a run. Raises `DataError` where that is not recorded."""
    if command.get("verb") == RUN:
        config = run_settings(command)
        return config.local if part_of(command, config).what == "local" else config.world
    try:
        return _world(command["world"], command["model"])
    except KeyError as error:
        raise DataError(f"This build records no {error} of a world; fit one with `diorama fit` instead.") from error


def _world(recorded: Mapping[str, Any], kind: str) -> WorldConfig:
    data = dict(recorded)
    model = from_json(BUILDERS[kind].config, data.pop("model"))
    return dataclasses.replace(from_json(WorldConfig, data), model=model)
