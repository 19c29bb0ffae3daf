"""Tasks: a world of reality with its episode length, its metrics and who can act in it from the start."""

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import gymnasium

from diorama.core import Env, EnvSpec, HostEnv, Policy
from diorama.core.errors import ConfigError
from diorama.core.host_policy import HostPolicy
from diorama.envs.adapters import from_gymnasium
from diorama.envs.registered import ENVIRONMENTS, make
from diorama.evaluate import Metric, episode_return
from diorama.evaluate.failures.taxonomy import Ways
from diorama.imagine.host_world import Rules
from diorama.imagine.world import Reward
from diorama.policies import RandomPolicy
from diorama.recipes.presets import PUSH_T, structure_of

Actor = Policy | HostPolicy


class Physics(NamedTuple):
    """Another simulator of a task: what tells its structure from others, and how to make it.

    ``parameters``: what was identified of it from real interaction, by name; ``{}`` for the world as built.
    """

    family: str
    env: Callable[[Mapping[str, float]], Env | HostEnv]


@dataclass(frozen=True)
class Task:
    """A named world of reality. ``actors`` build policies that need no training.

    ``headline`` names the metric that reports lead with; ``length`` is the number of steps of an episode. ``success``
    names the metric of booleans that means success, "" for none. ``obeyed``: factors of variation that a learned world
    obeys without being told, because they say where episodes start or how they are scored. ``rules`` say of imagined
    observations what reality says of its own (`Rules`). ``physics``: other worlds of the task by name, interchangeable
    with ``env``. ``timed``: success is defined after ``length`` steps alone. ``ways``: how its episodes fail, None for
    what can be said of any task.
    """

    name: str
    env: Callable[[], Env | HostEnv]
    length: int
    metrics: Mapping[str, Metric]
    headline: str
    actors: Mapping[str, Callable[[], Actor]] = field(default_factory=dict)
    success: str = ""
    obeyed: tuple[str, ...] = ()
    rules: Rules | None = None
    physics: Mapping[str, "Physics"] = field(default_factory=dict)
    timed: bool = False
    ways: Ways | None = None

    def steps(self, asked: int | None) -> int:
        """Steps of an episode to be judged: those ``asked`` for, else the task's own.

        Raises `ConfigError` where success is defined after another number of steps.
        """
        if self.timed and asked not in (None, self.length):
            raise ConfigError(
                f"{self.name!r} is judged after {self.length} steps, not after {asked}; leave --length out."
            )
        return asked or self.length

    def actor(self, name: str) -> Actor:
        """The actor called ``name``. Raises `ConfigError` naming those there are."""
        if name == "random":
            return RandomPolicy(self.env().spec)
        if name not in self.actors:
            raise ConfigError(f"{self.name!r} has no actor {name!r}; it has {sorted({'random', *self.actors})}.")
        return self.actors[name]()


def find_task(name: str, images: bool = False) -> Task:
    """The task of a registered environment, of ``gym:ID``, or of something of your own, ``file.py:NAME``.

    ``NAME`` is a class or function that makes a `gymnasium.Env`, an `Env` or a `HostEnv`, scored by the sum of its
    rewards; or a `Task`, which also says what success is. Raises `ConfigError` where nothing is called so.
    """
    if name == "push-t":
        from diorama.recipes.push_t_task import push_t

        return push_t(images)
    if name.startswith("push-t-pixels"):
        from diorama.recipes.push_t_task import PIXELS, push_t_pixels

        if name in PIXELS:
            return push_t_pixels(name)
    if name in ENVIRONMENTS and name.startswith("rope-"):
        from diorama.recipes.rope_tasks import rope_task

        return rope_task(name)
    if name in ENVIRONMENTS:
        return plain_task(name, lambda: make(name))
    if name.startswith("gym:"):
        return plain_task(name, lambda: _gymnasium(name, name.removeprefix("gym:")))
    if ".py:" in name:
        found = _named(name)
        return replace(found, name=name) if isinstance(found, Task) else plain_task(name, lambda: _made(name, found))
    raise ConfigError(f"No environment {name!r}; use one of {sorted(ENVIRONMENTS)}, gym:ID, or file.py:Class.")


def plain_task(name: str, env: Callable[[], Env | HostEnv], length: int = 200) -> Task:
    """A task scored by the sum of its rewards."""
    return Task(name, env, length, {"return": episode_return}, "return")


def _gymnasium(name: str, source: str | Callable[[], Any]) -> HostEnv:
    """The world of an id or a maker. Raises `ConfigError` for unknown ids."""
    try:
        return from_gymnasium(source)
    except gymnasium.error.Error as error:
        raise ConfigError(f"Gymnasium cannot make {name!r} ({error}); see `gymnasium.pprint_registry()`.") from error


def _made(name: str, factory: Callable[[], Any]) -> Env | HostEnv:
    """The world that a user's file makes. Raises `ConfigError` where it is none."""
    first = factory()
    if isinstance(first, Env | HostEnv):
        return first
    if not isinstance(first, gymnasium.Env):
        raise ConfigError(
            f"{name} makes a {type(first).__name__}, not a gymnasium.Env; derive your class from that, from HostEnv, "
            "or from Env."
        )
    # What was made to see what it is becomes the first of the worlds.
    waiting = [first]
    return _gymnasium(name, lambda: waiting.pop() if waiting else factory())


def load_attribute(name: str) -> Callable[..., Any]:
    """The class or function that ``file.py:NAME`` names; the file is run.

    Raises `ConfigError` where it cannot be, or holds no such thing. A file is run once in a process as long as its
    content is the same, so that programs compiled for its classes last.
    """
    found = _named(name)
    if not callable(found):
        raise ConfigError(f"{name} is a {type(found).__name__}; name a class or a function of the file.")
    return found


def _named(name: str) -> Any:
    """A class, a function or a task of a file."""
    file, _, attribute = name.rpartition(":")
    if not Path(file).is_file():
        raise ConfigError(f"There is no file {file}; name what is in it as path/to/file.py:Class.")
    path = Path(file).resolve()
    module = _module(str(path), hashlib.sha256(path.read_bytes()).hexdigest())
    if not (callable(found := vars(module).get(attribute)) or isinstance(found, Task)):
        raise ConfigError(f"{file} has no {attribute!r}; name a class, a function or a Task of it.")
    return found


@lru_cache(maxsize=32)
def _module(file: str, content: str) -> ModuleType:
    """The module that a file makes, by its content."""
    # Dataclasses look their module up by its name, which must not shadow an installed one.
    spec = importlib.util.spec_from_file_location(f"diorama_user_{Path(file).stem}", file)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{line.filename}, line {line.lineno}"
        raise ConfigError(f"{file} cannot be loaded ({type(error).__name__}: {error}; {place}); mend it.") from error
    return module


def reward_for(spec: EnvSpec) -> Reward | None:
    """The analytic reward on predicted observations where the task gives one, else None: the model's reward head."""
    if structure_of(spec) is PUSH_T:
        from diorama.recipes.push_t_reward import PushTReward

        return PushTReward()
    return None
