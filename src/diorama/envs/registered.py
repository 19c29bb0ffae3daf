"""Worlds by name. Building one imports what it needs, nothing before."""

import difflib
import importlib
from collections.abc import Callable
from typing import Any

from diorama.core.errors import ConfigError


def _builder(module: str, name: str) -> Callable[[], Any]:
    return lambda: getattr(importlib.import_module(f"diorama.envs.{module}"), name)()


def _rope_task(name: str) -> Callable[[], Any]:
    return lambda: importlib.import_module("diorama.envs.rope.tasks.registered").make_task(name)


ENVIRONMENTS: dict[str, Callable[[], Any]] = {
    "ball-wall": _builder("teaching", "BallWall"),
    "cart-pole": _builder("teaching", "CartPole"),
    "counter": _builder("teaching", "Counter"),
    "double-pendulum": _builder("teaching", "DoublePendulum"),
    "pendulum": _builder("teaching", "Pendulum"),
    "point-mass": _builder("teaching", "PointMass"),
    "push-t": _builder("pusht", "PushT"),
    "push-t-mujoco": _builder("pusht_mujoco", "MuJoCoPushT"),
    "push-t-quasistatic": _builder("pusht_quasistatic", "HostQuasiStaticPushT"),
    "rope": _builder("rope", "Rope"),
    "rope-coiling": _rope_task("coiling"),
    "rope-gathering": _rope_task("gathering"),
    "rope-letter": _rope_task("letter"),
    "rope-letter-unseen": _rope_task("letter-unseen"),
    "rope-lifting": _rope_task("lifting"),
    "rope-separation": _rope_task("separation"),
    "rope-slingshot": _rope_task("slingshot"),
    "rope-threading": _rope_task("threading"),
    "rope-unknotting": _rope_task("unknotting"),
    "rope-wiring-post": _rope_task("wiring-post"),
    "rope-wrapping": _rope_task("wrapping"),
}
"""A builder of an `Env` or a `HostEnv` for each name. ``push-t`` needs the extra ``pusht``, another one ``mujoco``."""


def make(name: str) -> Any:
    """The registered `Env` or `HostEnv` of this name. Raises `ConfigError` that lists the names there are."""
    if name not in ENVIRONMENTS:
        near = difflib.get_close_matches(name, ENVIRONMENTS, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"No environment is called {name!r}; there are {', '.join(sorted(ENVIRONMENTS))}.{hint}")
    return ENVIRONMENTS[name]()
