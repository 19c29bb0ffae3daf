"""How a world is learned and how a policy is trained in it, as settings. JAX-free; ``size`` is the one dial."""

from dataclasses import dataclass

from diorama.learn.config import FirstOrderConfig, FitConfig
from diorama.models.config import EnsembleConfig
from diorama.models.diffusion.config import DiffusionConfig
from diorama.models.residual.config import ResidualConfig
from diorama.models.rssm.config import RSSMConfig
from diorama.policies.config import ActorConfig

ModelConfig = EnsembleConfig | RSSMConfig | DiffusionConfig | ResidualConfig
"""Any world model's configuration: its class says which model it is."""


@dataclass(frozen=True)
class WorldConfig:
    """How a world is learned from a dataset.

    ``observations``: names to model, () for what `modelled` chooses. ``window``: steps of a training window; ensemble
    and RSSM learn along it, a diffusion model finds its context in it. ``held_out``: fraction of the episodes kept for
    the exam, over ``exam_horizon`` steps, and of the others kept to select the best update by.
    """

    model: ModelConfig = EnsembleConfig()
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
