"""What each size means, for any task. JAX-free; presets are functions."""

from diorama.learn.config import FirstOrderConfig, FitConfig
from diorama.models.config import EnsembleConfig
from diorama.policies.config import ActorConfig
from diorama.recipes.config import PolicyConfig, WorldConfig

FIT_UPDATES = {"nano": 3000, "xs": 5000, "s": 8000, "m": 30_000, "l": 100_000}
POLICY_UPDATES = {"nano": 2000, "xs": 3000, "s": 4000, "m": 8000, "l": 20_000}
WORLDS = {"nano": 64, "xs": 64, "s": 128, "m": 256, "l": 1024}
"""``size`` to updates of the world, updates of the policy, and imagined worlds side by side."""


def world_config(size: str, seed: int, observations: tuple[str, ...] = (), updates: int | None = None) -> WorldConfig:
    """How a world of this size is learned."""
    fit = FitConfig(updates=updates or FIT_UPDATES[size], learning_rate=2e-3, seed=seed)
    return WorldConfig(EnsembleConfig(size), fit, observations, seed=seed)


def policy_config(size: str, seed: int, updates: int | None = None) -> PolicyConfig:
    """How a policy of this size is trained."""
    train = FirstOrderConfig(updates=updates or POLICY_UPDATES[size], worlds=WORLDS[size], horizon=16, seed=seed)
    return PolicyConfig(ActorConfig(size), train, seed)
