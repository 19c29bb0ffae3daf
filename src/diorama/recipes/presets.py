"""What each size means, and what is known of a task's geometry. JAX-free; presets are functions."""

from dataclasses import dataclass

from diorama.core.spec import EnvSpec
from diorama.learn.config import FirstOrderConfig, FitConfig
from diorama.models.config import EnsembleConfig
from diorama.nn.planar_frame import PlanarFrame
from diorama.policies.config import ActorConfig
from diorama.recipes.config import PolicyConfig, WorldConfig

FIT_UPDATES = {"nano": 3000, "xs": 5000, "s": 8000, "m": 30_000, "l": 100_000}
POLICY_UPDATES = {"nano": 2000, "xs": 3000, "s": 4000, "m": 8000, "l": 20_000}
WORLDS = {"nano": 64, "xs": 64, "s": 128, "m": 256, "l": 1024}
"""``size`` to updates of the world, updates of the policy, and imagined worlds side by side."""


@dataclass(frozen=True)
class Structure:
    """What is known of a task before learning: the observations to model and the planar frames to see them in.

    ``body``: the frame of the world model; ``aim``: that of the policy, which also sees the goal. ``window``: how many
    steps the training loss follows the model's own predictions.
    """

    observations: tuple[str, ...]
    body: PlanarFrame
    aim: PlanarFrame
    window: int


# Entries of Push-T's ``features``: agent x y, velocity x y, block x y, cosine, sine. The goal is at (256, 256).
_SEEN = {"origin": (4, 5), "heading": (6, 7), "points": ((0, 1),), "vectors": ((2, 3),)}
PUSH_T = Structure(
    ("features",),
    PlanarFrame(**_SEEN, actions=((0, 1),)),
    PlanarFrame(**_SEEN, landmarks=((256.0, 256.0),)),
    window=1,
)


def structure_of(spec: EnvSpec) -> Structure | None:
    """What is known of the world of this spec: Push-T's frames where it is Push-T with ``features``, else None."""
    return PUSH_T if spec.name.startswith("pusht-") and "features" in spec.observation else None


def world_config(
    size: str,
    seed: int,
    observations: tuple[str, ...] = (),
    updates: int | None = None,
    structure: Structure | None = None,
) -> WorldConfig:
    """How a world of this size is learned. A structure counts where its own observations are the ones to model."""
    fit = FitConfig(updates=updates or FIT_UPDATES[size], learning_rate=2e-3, seed=seed)
    if structure is None or observations not in ((), structure.observations):
        return WorldConfig(EnsembleConfig(size), fit, observations, seed=seed)
    model = EnsembleConfig(size, structure.body)
    return WorldConfig(model, fit, structure.observations, structure.window, seed=seed)


def policy_config(size: str, seed: int, updates: int | None = None, structure: Structure | None = None) -> PolicyConfig:
    """How a policy of this size is trained."""
    train = FirstOrderConfig(updates=updates or POLICY_UPDATES[size], worlds=WORLDS[size], seed=seed)
    return PolicyConfig(ActorConfig(size, structure.aim if structure else None), train, seed)
