"""Worlds by name: reality, other physics, learned worlds and hybrids, ready for a paired evaluation.

Whatever the world, the episode of a seed starts where reality starts it: physics draw the same start, a learned world
begins at reality's first observation. Reward, end and success are functions of what is observed, the same everywhere;
in a learned world they judge imagined observations.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from diorama.core import Env, EnvSpec, HostEnv, WorldModel
from diorama.core.artifact import DESCRIPTION, WEIGHTS, read_description
from diorama.core.canonical import canonical, digest
from diorama.core.errors import ConfigError, DataError
from diorama.core.files import write_atomically
from diorama.imagine.host_world import HostImagined, Rules
from diorama.recipes import describing
from diorama.recipes.any_model import load as load_model
from diorama.recipes.book import Book
from diorama.recipes.lessons import Lesson, lessons
from diorama.recipes.loop import WORLD
from diorama.recipes.making import unpacked
from diorama.recipes.matching import check_match
from diorama.recipes.tasks import Physics, Task, find_task, reward_for
from diorama.registry.records import Version

Kind = Literal["real", "physics", "learned", "hybrid"]
PHYSICS = "physics.json"
"""In a run folder: a physics by name, and what was identified of it from real interaction."""
_HYBRID = "residual"


@dataclass(frozen=True, eq=False)
class World:
    """A world to test policies in.

    ``name``: as it was asked for. ``kind``: ``real`` for what stands for reality. ``family``: what tells its structure
    from that of others, such as ``mujoco`` or ``learned/diffusion``; two worlds of one family are likely to err alike.
    ``version``: id in the registry, None without one. ``ignores``: factors of variation that cannot be told to it.
    ``address``: a word by which `find_world` finds it in any process of this machine, without a registry. ``digest``:
    of everything that makes this world but the code of Diorama. ``lesson``: what it was trained on, where that is on
    this machine; ``untaught``: why there is none.
    """

    name: str
    env: Env | HostEnv
    kind: Kind
    family: str
    address: str
    digest: str
    version: str | None = None
    ignores: tuple[str, ...] = ()
    lesson: Lesson | None = None
    untaught: str = ""

    @property
    def imagined(self) -> bool:
        """Whether observations, and so the score, come from a network."""
        return self.kind in ("learned", "hybrid")


def find_world(task: Task | str, name: str, *, book: Book | None = None) -> World:
    """The world that a word means, for this task.

    ``name``: the task itself (reality); the name of another physics of the task; a run folder of a fit, its ``world/``
    folder, or a folder with `PHYSICS`; with a ``book`` also a name, channel or id of the registry. With a ``book`` the
    world is registered where it was not. Raises `ConfigError` where no world is called so, `SpecError` where it does
    not fit the task.
    """
    task = find_task(task) if isinstance(task, str) else task
    if name in (task.name, "reality"):
        return _real(task, book)
    if name in task.physics:
        return _physics(task, name, name, {}, book)
    if place := _artifact(Path(name)):
        return _learned(task, name, place, book)
    if (Path(name) / PHYSICS).is_file():
        return _calibrated(task, name, book)
    if Path(name).is_dir():
        raise ConfigError(f"{name} holds no {WORLD} and no {PHYSICS}; give a run folder that has finished.")
    if book is None:
        raise ConfigError(_unknown(task, name, "There is no registry to look in."))
    return _registered(task, name, book)


def save_physics(folder: Path, world: str, parameters: Mapping[str, float]) -> Path:
    """Keep what was identified of a physics, so that `find_world` finds it in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / PHYSICS, canonical({"world": world, "parameters": dict(parameters)}))
    return folder


def _real(task: Task, book: Book | None) -> World:
    env = task.env()
    version = None if book is None else describing.reality_id(book, task.name, env)
    family = f"physics/{env.spec.name}"
    return World(task.name, env, "real", family, task.name, digest([task.name, "reality"]), version)


def _physics(task: Task, name: str, called: str, found: Mapping[str, float], book: Book | None) -> World:
    physics: Physics = task.physics[called]
    env = physics.env(found)
    version = None
    if book is not None:
        version = book.registry.register(describing.physics_manifest(task.name, called, physics.family, found, env)).id
    address = called
    if found:
        made = digest([called, dict(found)])
        address = str(save_physics(cache("worlds") / made, called, found))
    family, identity = f"physics/{physics.family}", digest([task.name, called, dict(found)])
    return World(name, env, "physics", family, address, identity, version, _unheard(env.spec, task.env().spec))


def _calibrated(task: Task, name: str, book: Book | None) -> World:
    held = json.loads((Path(name) / PHYSICS).read_text(encoding="utf-8"))
    if held.get("world") not in task.physics:
        raise ConfigError(f"{name} calibrates {held.get('world')!r}; {task.name!r} knows {sorted(task.physics)}.")
    return _physics(task, name, held["world"], held["parameters"], book)


def _learned(task: Task, name: str, place: Path, book: Book | None, version: str | None = None) -> World:
    model, origin = load_model(place), task.env()
    check_match("The world", model.spec, origin.spec)
    env = HostImagined(model, origin, _rules(task, model), name=f"imagined {model.spec.name}")
    if book is not None and version is None:
        version = describing.artifact_id(
            book, "simulator", place, describing.family(model.spec.name, place.parent.name)
        )
    tags = describing.tags(read_description(place))
    kind = "hybrid" if _HYBRID in tags else "learned"
    deaf = tuple(sorted(set(origin.spec.scenario.factors) - set(task.obeyed)))
    address, made = str(place.resolve()), artifact_digest(place)
    return World(name, env, kind, "/".join(tags), address, made, version, deaf, *_lesson(book, version))


def _lesson(book: Book | None, version: str | None) -> tuple[Lesson | None, str]:
    """What a learned world was trained on, the largest set; or why that cannot be had."""
    if book is None or version is None:
        return None, "without a registry nothing says on which data this world was trained"
    try:
        return lessons(book, version)[0], ""
    except ConfigError as error:
        return None, str(error)


def _rules(task: Task, model: WorldModel) -> Rules | None:
    """The task's own rules where it has some, else the analytic reward of the world's spec, else the model's heads."""
    if task.rules is not None or reward_for(model.spec) is None:
        return task.rules
    raise ConfigError(f"{task.name!r} has no rules for what is imagined; test this world in the task it was made for.")


def _registered(task: Task, name: str, book: Book) -> World:
    try:
        found = book.registry.get(name)
    except DataError as error:
        raise ConfigError(_unknown(task, name, str(error))) from error
    if found.kind != "simulator":
        raise ConfigError(f"{name} is a {found.kind}, not a world; name a simulator of the registry.")
    if found.fields.get("stands_for") == "reality":
        return _same(found, _real(task, book))
    if "world" in found.fields:
        parameters = found.fields.get("parameters", {})
        return _same(found, _physics(task, name, found.fields["world"], parameters, book))
    place = unpacked(book, found.id, cache("worlds") / found.id)
    return _learned(task, name, place, book, found.id)


def _same(asked: Version, made: World) -> World:
    """The world that was asked for, unless the code has changed since."""
    if made.version != asked.id:
        raise ConfigError(
            f"{asked.name} ({asked.id[:12]}) was made by other code; only today's can be run, so name the world."
        )
    return made


def artifact_digest(place: Path) -> str:
    """The identity of an artifact: of its weights and its description."""
    return digest([hashlib.sha256((place / name).read_bytes()).hexdigest() for name in (DESCRIPTION, WEIGHTS)])


def _artifact(path: Path) -> Path | None:
    places = (path / WORLD, path)
    return next((place for place in places if (place / DESCRIPTION).is_file() and (place / WEIGHTS).is_file()), None)


def _unheard(heard: EnvSpec, real: EnvSpec) -> tuple[str, ...]:
    return tuple(sorted(set(real.scenario.factors) - set(heard.scenario.factors)))


def _unknown(task: Task, name: str, why: str) -> str:
    known = ", ".join(sorted({task.name, *task.physics}))
    return f"No world is called {name!r}; {task.name!r} knows {known} and run folders of `diorama fit`. {why}"


def cache(kind: str) -> Path:
    """Where artifacts of the registry are unpacked to be run; each is named by its id and may be removed."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home) / "diorama" / kind


def describe(world: World) -> dict[str, Any]:
    """What an evaluation records of a world, as JSON values."""
    return {"name": world.name, "kind": world.kind, "family": world.family, "ignores": list(world.ignores)}
