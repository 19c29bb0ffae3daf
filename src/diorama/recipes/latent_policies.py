"""Build, save and load every kind of policy, also one that sees through an RSSM, which `policies` may not name."""

from dataclasses import dataclass
from pathlib import Path

from diorama.core import EnvSpec, Policy
from diorama.core.artifact import Builder, load_artifact, save_artifact
from diorama.imagine.latent import latent_spec
from diorama.models.rssm import RSSM, RSSMConfig
from diorama.policies import Actor, ActorConfig
from diorama.policies.artifact import BUILDERS as POLICIES
from diorama.policies.latent import LatentPolicy


@dataclass(frozen=True)
class LatentPolicyConfig:
    """An actor on the belief of an RSSM."""

    model: RSSMConfig = RSSMConfig()
    actor: ActorConfig = ActorConfig()


def build(config: LatentPolicyConfig, spec: EnvSpec, seed: int) -> LatentPolicy:
    """An untrained policy in the world of ``spec``."""
    model = RSSM.build(config.model, spec, seed)
    return LatentPolicy(model, Actor.build(config.actor, latent_spec(model), seed))


KIND = "latent"
BUILDERS = POLICIES | {KIND: Builder(LatentPolicyConfig, build)}
"""Kind to its builder, as in `diorama.policies.artifact`."""


def save(folder: str | Path, policy: LatentPolicy, config: LatentPolicyConfig) -> Path:
    """Write a policy, model included, as an artifact, with the spec of what its model sees."""
    return save_artifact(folder, policy, kind=KIND, config=config, spec=policy.model.spec)


def load(folder: str | Path) -> Policy:
    """Read a policy of any kind; an actor takes its likeliest action. See `load_artifact` for the errors."""
    return load_artifact(folder, BUILDERS)
