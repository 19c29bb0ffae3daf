"""The worlds of play: reality and physics by name, and learned worlds from folders and from the registry."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core import ArraySpec, HostEnv, WorldModel
from diorama.core.artifact import DESCRIPTION, WEIGHTS, read_description
from diorama.core.errors import DataError
from diorama.envs.pusht import PushT
from diorama.envs.pusht.interface import Absolute, Interface, Relative
from diorama.envs.pusht_mujoco import MuJoCoPushT
from diorama.envs.pusht_quasistatic import HostQuasiStaticPushT
from diorama.envs.registered import ENVIRONMENTS, make
from diorama.imagine import Imagined, as_env
from diorama.recipes.describing import slug
from diorama.recipes.push_t_hybrid import load_hybrid
from diorama.studio.play.drives import HostDrive, JaxDrive
from diorama.studio.play.push_t import completed, is_push_t
from diorama.studio.play.scenes import Observation, Start
from diorama.studio.play.stable import Loaded, Offer

SHOWN = ("state", "features")
"""What tables show in play: vectors, from which pictures follow."""
TABLES: Mapping[str, tuple[str, Interface]] = {
    "push-t": ("Push-T", Relative()),
    "push-t-positions": ("Push-T, positions at 10 Hz", Absolute()),
}
"""Arenas of tables: title and interface."""
_SCALES = 64
"""Real first observations that tell how much each entry of an observation varies."""


def arena_of(name: str) -> str:
    """The arena of a world whose spec has this name: worlds of one arena take the same actions."""
    name = name.removeprefix("imagined ")
    if name.startswith("pusht-relative"):
        return "push-t"
    return "push-t-positions" if name.startswith("pusht-absolute") else slug(name)


def plain_worlds() -> list[tuple[Offer, Callable[[], Loaded]]]:
    """Reality and physics: the tables, then the other registered environments."""
    found: list[tuple[Offer, Callable[[], Loaded]]] = []
    for arena, (title, interface) in TABLES.items():
        found += _tables(arena, title, interface)
    others = sorted(name for name in ENVIRONMENTS if not name.startswith("push-t"))
    return found + [
        (Offer(name, name, "real", f"physics/{name}", name), lambda name=name: make(name)) for name in others
    ]


def _tables(arena: str, title: str, interface: Interface) -> list[tuple[Offer, Callable[[], Loaded]]]:
    made: list[tuple[Offer, Callable[[], Loaded]]] = []
    if _installed("gym_pusht", "pymunk"):
        real = Offer(arena, f"{title}: reality (gym-pusht)", "real", "physics/pusht", arena)
        made.append((real, lambda: PushT(interface, SHOWN)))
    still = Offer(f"{arena}-quasistatic", f"{title}: quasi-static", "physics", "physics/quasistatic", arena)
    made.append((still, lambda: HostQuasiStaticPushT(interface, SHOWN)))
    if _installed("mujoco"):
        dry = Offer(f"{arena}-mujoco", f"{title}: MuJoCo", "physics", "physics/mujoco", arena)
        made.append((dry, lambda: MuJoCoPushT(interface, SHOWN)))
    return made


def _installed(*names: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in names)


def folder_offer(place: Path, id: str, title: str, version: str | None = None) -> Offer:
    """The offer of a learned world whose artifact lies in this folder. Raises `DataError` where it is damaged."""
    return replace(learned_offer(read_description(place), id, title, version), place=place)


def learned_offer(described: Mapping[str, Any], id: str, title: str, version: str | None = None) -> Offer:
    """The offer of a learned world from what its artifact says of itself."""
    kind = described["kind"]
    hybrid = kind == "residual"
    arena = arena_of(described["spec"]["name"])
    return Offer(id, title, "hybrid" if hybrid else "learned", f"learned/{kind}", arena, version)


def artifact_in(folder: Path) -> Path | None:
    """Where in a run folder, or in the folder itself, the artifact of a world lies."""
    places = (folder / "world", folder)
    return next((p for p in places if (p / DESCRIPTION).is_file() and (p / WEIGHTS).is_file()), None)


def learned_world(place: Path, real: Loaded | None) -> Imagined:
    """The learned world in a folder, with its own heads for reward and end.

    ``real``: reality, whose first observations say how much each entry varies, in which the spread is measured.
    """
    model = load_hybrid(place)
    if not isinstance(model, WorldModel):
        raise DataError(f"{place} holds no world model; choose a world.")
    wanted = dict(model.spec.observation)
    seen = [] if real is None or _shows_pictures(wanted) else _first_observations(real, wanted)
    blank = {name: np.zeros((1, *array.shape), array.dtype) for name, array in wanted.items()}
    return as_env(model, {name: np.stack([one[name] for one in seen]) for name in wanted} if seen else blank)


def _shows_pictures(wanted: Mapping[str, ArraySpec]) -> bool:
    return any(len(array.shape) == 3 for array in wanted.values())


def _first_observations(real: Loaded, wanted: dict[str, ArraySpec]) -> list[Observation]:
    """First observations of reality; none where it does not show what is wanted."""
    drive = HostDrive(real, True) if isinstance(real, HostEnv) else JaxDrive(real)
    seen = [drive.begin(Start("", (), (), seed)).observation for seed in range(_SCALES)]
    if is_push_t(drive.spec):
        return [completed(one, wanted) for one in seen]
    return seen if set(wanted) <= set(seen[0]) else []
