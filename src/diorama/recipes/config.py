"""Configurations of whole loops. JAX-free; ``size`` is the one dial."""

from dataclasses import dataclass

from diorama.learn.config import FirstOrderConfig, FitConfig
from diorama.models.config import EnsembleConfig
from diorama.policies.config import ActorConfig


@dataclass(frozen=True)
class WorldConfig:
    """How a world is learned from a dataset.

    ``observations``: names to model, () for all vectors. ``window``: steps that the training loss follows the model's
    own predictions. ``held_out``: fraction of the episodes kept for the exam, over ``exam_horizon`` steps, and
    of the others kept to select the best update by.
    """

    model: EnsembleConfig = EnsembleConfig()
    fit: FitConfig = FitConfig()
    observations: tuple[str, ...] = ()
    window: int = 4
    held_out: float = 0.1
    exam_horizon: int = 20
    seed: int = 0


@dataclass(frozen=True)
class PolicyConfig:
    """How a policy is trained in a learned world."""

    actor: ActorConfig = ActorConfig()
    train: FirstOrderConfig = FirstOrderConfig()
    seed: int = 0


@dataclass(frozen=True)
class LoopConfig:
    """A whole loop. ``collection``: (actor, episodes) in order; ``episodes``: evaluation episodes of each policy."""

    task: str
    size: str
    seed: int
    collection: tuple[tuple[str, int], ...]
    world: WorldConfig
    policy: PolicyConfig
    episodes: int
