"""Build, save and load policies: the kinds of policy that an artifact may hold.

A planner is not among them, because it holds a world: save the world, and plan in it again.
"""

from pathlib import Path
from typing import Any

from diorama.core import ConfigError, EnvSpec, Policy
from diorama.core.artifact import Builder, load_artifact, save_artifact
from diorama.policies.actor import Actor
from diorama.policies.config import ActorConfig, RandomConfig
from diorama.policies.diffusion_config import DiffusionPolicyConfig
from diorama.policies.diffusion_policy import DiffusionPolicy
from diorama.policies.random import RandomPolicy

BUILDERS = {
    "actor": Builder(ActorConfig, Actor.build),
    "diffusion": Builder(DiffusionPolicyConfig, DiffusionPolicy.build),
    "random": Builder(RandomConfig, RandomPolicy.build),
}
"""Kind to its builder. A new kind of policy is a new entry."""


def build(config: Any, spec: EnvSpec, seed: int = 0) -> Policy:
    """An untrained policy. Raises `ConfigError` where no kind of policy has such a configuration."""
    return BUILDERS[kind_of(config)].build(config, spec, seed)


def save(folder: str | Path, policy: Policy, config: Any, spec: EnvSpec) -> Path:
    """Write a policy and its configuration as an artifact, with the spec of the world that it acts in."""
    return save_artifact(folder, policy, kind=kind_of(config), config=config, spec=spec)


def load(folder: str | Path) -> Policy:
    """Read a policy; an actor takes its likeliest action. See `load_artifact` for the errors."""
    return load_artifact(folder, BUILDERS)


def kind_of(config: Any) -> str:
    """The kind whose configuration this is."""
    for kind, builder in BUILDERS.items():
        if type(config) is builder.config:
            return kind
    raise ConfigError(f"{type(config).__name__} configures no policy; use one of {sorted(BUILDERS)}.")
