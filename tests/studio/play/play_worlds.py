"""Small worlds to play in. The learned ones are untrained: play does not care."""

import numpy as np

from diorama.envs.pusht import PushT
from diorama.envs.pusht.interface import Relative
from diorama.envs.teaching import Counter
from diorama.imagine import as_env
from diorama.models import build
from diorama.models.config import EnsembleConfig
from diorama.models.diffusion.config import DiffusionConfig
from diorama.recipes.presets import PUSH_T
from diorama.studio.play.config import PlayConfig
from diorama.studio.play.sources import SHOWN
from diorama.studio.play.stable import Offer

CONFIG = PlayConfig(sessions=2, context=3, replay=50, recorded=30, draws=2, clip=4, guesses=4)
REAL = Offer("push-t", "reality", "real", "physics/pusht", "push-t")
OTHER = Offer("other", "other physics", "physics", "physics/pusht", "push-t")
SURE = Offer("sure", "ensemble", "learned", "learned/ensemble", "push-t")
CHANCY = Offer("chancy", "diffusion", "learned", "learned/diffusion", "push-t")
SEEN = Offer("seen", "pictures", "learned", "learned/diffusion", "push-t")
COUNTER = Offer("counter", "counter", "real", "physics/counter", "counter")


def learned(config, observations, side=96):
    """An untrained world over Push-T; the scale of its spread comes from two real starts."""
    real = PushT(Relative(), observations, pixels=side)
    starts = real.observe(real.reset(np.arange(2), real.spec.scenario.default()))
    return as_env(build(config, real.spec, 0), starts)


WORLDS = [
    (REAL, lambda: PushT(Relative(), SHOWN)),
    (OTHER, lambda: PushT(Relative(), SHOWN)),
    (SURE, lambda: learned(EnsembleConfig("nano", PUSH_T.body), ("features",))),
    (CHANCY, lambda: learned(DiffusionConfig("nano", "mlp", context=2, steps=1, frame=PUSH_T.body), ("features",))),
    (SEEN, lambda: learned(DiffusionConfig("nano", "patches", context=1, steps=1, patch=8), ("pixels",), 16)),
    (COUNTER, Counter),
]
