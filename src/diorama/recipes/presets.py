"""What each size means, and what is known of a task's geometry. JAX-free; presets are functions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from diorama.core.errors import ConfigError
from diorama.core.spec import EnvSpec
from diorama.learn.config import FirstOrderConfig, FitConfig
from diorama.models.config import EnsembleConfig
from diorama.models.diffusion.config import PICTURE_NETWORKS, DiffusionConfig
from diorama.models.residual.config import ResidualConfig
from diorama.models.rssm.config import RSSMConfig
from diorama.models.tokenizer.config import TokenizerConfig
from diorama.nn.planar_frame import Place, PlanarFrame
from diorama.policies.config import ActorConfig
from diorama.recipes.config import ModelConfig, PolicyConfig, WorldConfig
from diorama.recipes.modelling import affordable, modelled, pictures_of

QUASI_STATIC = "push-t-quasistatic"
"""The name of the physics in a hybrid's configuration."""
FIT_UPDATES = {"nano": 3000, "xs": 5000, "s": 8000, "m": 30_000, "l": 100_000}
POLICY_UPDATES = {"nano": 2000, "xs": 3000, "s": 4000, "m": 8000, "l": 20_000}
WORLDS = {"nano": 64, "xs": 64, "s": 128, "m": 256, "l": 1024}
"""``size`` to updates of the world, updates of the policy, and imagined worlds side by side."""
CODE_PATCH = 2
"""Side of a patch in cells of a tokenizer's code; a cell stands for several pixels."""


@dataclass(frozen=True)
class Habit:
    """How one kind of model is fitted at every size.

    ``rate``: learning rate by size. ``window``, ``batch``, ``chunk``: steps of a window, windows of an update, updates
    of a program. ``held_out``: windows that select the best update. ``average``: see `FitConfig`.
    """

    rate: Mapping[str, float]
    window: int
    batch: int
    chunk: int
    held_out: int
    average: float = 0.0


def _by_size(*rates: float) -> dict[str, float]:
    return dict(zip(FIT_UPDATES, rates, strict=True))


_FLAT = _by_size(2e-3, 2e-3, 2e-3, 2e-3, 2e-3)
HABITS = {
    "ensemble": Habit(_FLAT, window=4, batch=256, chunk=100, held_out=4096),
    "hybrid": Habit(_FLAT, window=1, batch=256, chunk=100, held_out=4096),
    "rssm": Habit(_by_size(2e-3, 1e-3, 1e-3, 3e-4, 1e-4), window=16, batch=16, chunk=50, held_out=128),
    "diffusion": Habit(_by_size(2e-3, 1e-3, 1e-3, 5e-4, 3e-4), 4, batch=128, chunk=100, held_out=1024, average=0.999),
}
"""Kind of model to how it is fitted to vectors."""
PICTURE_HABITS = {
    "rssm": Habit(_by_size(1e-3, 1e-3, 5e-4, 3e-4, 1e-4), window=16, batch=16, chunk=25, held_out=32),
    "diffusion": Habit(_by_size(1e-3, 1e-3, 3e-4, 1e-4, 1e-4), 4, batch=32, chunk=25, held_out=64, average=0.999),
}
"""Kind of model to how it is fitted where it sees pictures."""


@dataclass(frozen=True)
class Structure:
    """What is known of a task before learning: the observations to model and the planar frames to see them in.

    ``body``: the frame of the world model; ``aim``: that of the policy, which also sees the goal. ``window``: how many
    steps an ensemble's training loss follows its own predictions.
    """

    observations: tuple[str, ...]
    body: PlanarFrame
    aim: PlanarFrame
    window: int


class Pose(NamedTuple):
    """A pose in the plane: position, and angle [rad]."""

    x: float
    y: float
    angle: float

    def place(self, point: Place) -> Place:
        """Where a point of a body in this pose is."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        return self.x + cosine * point[0] - sine * point[1], self.y + sine * point[0] + cosine * point[1]


# Entries of Push-T's ``features``: agent x y, velocity x y, block x y, cosine, sine. The goal is at (256, 256).
_SEEN = {"origin": (4, 5), "heading": (6, 7), "points": ((0, 1),), "vectors": ((2, 3),)}
_GOAL = Pose(256.0, 256.0, math.pi / 4)
# Two points of the tee, in its own frame: the middle of the bar's edge and the end of the stem.
_ENDS = ((0.0, 0.0), (0.0, 120.0))
PUSH_T = Structure(
    ("features",),
    PlanarFrame(**_SEEN, actions=((0, 1),)),
    PlanarFrame(
        **_SEEN,
        landmarks=((256.0, 256.0),),
        targets=tuple((_GOAL.place(end), end) for end in _ENDS),
        closeups=(40.0, 10.0, 3.0),
    ),
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
    model: str = "ensemble",
    *,
    network: str = "",
    latent: bool = False,
    discrete: bool = False,
    window: int | None = None,
    spec: EnvSpec | None = None,
) -> WorldConfig:
    """How a world of this size is learned by this kind of ``model``: ``ensemble``, ``rssm``, ``diffusion``, ``hybrid``.

    ``network``: that of a diffusion model, "" for its first. ``latent``, ``discrete``: see `model_config`. ``window``:
    steps of a training window, by default the kind's. A ``structure`` counts where its own observations are the ones to
    model; what can see in its frame does.
    ``spec``: that of the dataset; with it, what the model cannot take is refused, and pictures get settings of their
    own. Raises `ConfigError` for an unknown kind, a network that does not fit, and what `modelled` refuses.
    """
    pictures = latent or network in PICTURE_NETWORKS
    if pictures or observations not in ((), *((structure.observations,) if structure else ())):
        structure = None
    body = structure.body if structure else None
    configured = model_config(model, size, network, body, latent=latent, discrete=discrete)
    observations = structure.observations if structure else observations
    seen = modelled(spec, observations, configured) if spec else None
    habit = PICTURE_HABITS[model] if seen and pictures_of(seen) else HABITS[model]
    if window is None:
        window = structure.window if structure and model == "ensemble" else habit.window
    drawn = affordable(seen, window, habit.chunk * habit.batch) if seen else habit.chunk * habit.batch
    fit = FitConfig(
        updates=updates or FIT_UPDATES[size],
        batch=habit.batch,
        chunk=max(drawn // habit.batch, 1),
        learning_rate=habit.rate[size],
        held_out=habit.held_out,
        seed=seed,
        average=habit.average,
    )
    return WorldConfig(configured, fit, observations, window, seed=seed)


def model_config(
    model: str,
    size: str,
    network: str = "",
    frame: PlanarFrame | None = None,
    *,
    latent: bool = False,
    discrete: bool = False,
) -> ModelConfig:
    """The configuration of a kind of model. An RSSM has no frame.

    ``latent``: a diffusion model draws the codes of a tokenizer of its size. ``discrete``: actions are scores for
    choices. Raises `ConfigError` where there is no such model, and where it has no such choice.
    """
    if model == "diffusion":
        tokenizer = TokenizerConfig(size) if latent else None
        patch = CODE_PATCH if latent else DiffusionConfig.patch
        return DiffusionConfig(size, network, frame=frame, patch=patch, latent=tokenizer, discrete=discrete)
    if model not in HABITS:
        raise ConfigError(f"Model {model!r} is unknown; choose one of {sorted(HABITS)}.")
    if network:
        raise ConfigError(
            f"A network is a choice of the diffusion model; leave {network!r} out or fit a diffusion model."
        )
    if latent:
        raise ConfigError(
            f"Codes of a tokenizer are drawn by the diffusion model, not by {model!r}; leave --latent out."
        )
    if model == "rssm":
        return RSSMConfig(size, discrete=discrete)
    if discrete:
        raise ConfigError("The ensemble takes actions as numbers; for choices fit an rssm or a diffusion model.")
    if model == "hybrid":
        if frame is None:
            raise ConfigError(
                "A hybrid needs a physics, and there is one for Push-T with 'features'; fit another model."
            )
        return ResidualConfig(size, QUASI_STATIC, frame)
    return EnsembleConfig(size, frame)


def policy_config(size: str, seed: int, updates: int | None = None, structure: Structure | None = None) -> PolicyConfig:
    """How a policy of this size is trained."""
    train = FirstOrderConfig(updates=updates or POLICY_UPDATES[size], worlds=WORLDS[size], seed=seed)
    return PolicyConfig(ActorConfig(size, structure.aim if structure else None), train, seed)
