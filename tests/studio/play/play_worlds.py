"""Small worlds to play in. The learned ones are untrained: play does not care."""

import jax.numpy as jnp
import numpy as np

from diorama.core import EnvSpec, Prediction, WorldModel, field
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


class Drifting(WorldModel):
    """A world of pictures that costs nothing to compile: each step the picture moves one pixel to the right."""

    spec: EnvSpec = field(static=True)

    def start(self, observation, key):
        return jnp.asarray(observation["pixels"])

    def step(self, belief, action, key):
        return jnp.roll(belief, 1, axis=1)

    def update(self, belief, action, observation, key):
        return self.start(observation, key)

    def infer(self, window, key):
        return window.observation["pixels"][-1]

    def read(self, belief):
        zero = jnp.zeros(())
        return Prediction({"pixels": belief}, zero, zero, zero)

    def loss(self, window, key):
        return jnp.zeros(()), {}


def drifting():
    """The world of pictures."""
    real = PushT(Relative(), ("pixels",), pixels=16)
    return as_env(Drifting(real.spec), real.observe(real.reset(np.arange(1), real.spec.scenario.default())))


def learned(config):
    """An untrained world over Push-T; the scale of its spread comes from two real starts."""
    real = PushT(Relative(), ("features",))
    starts = real.observe(real.reset(np.arange(2), real.spec.scenario.default()))
    return as_env(build(config, real.spec, 0), starts)


WORLDS = [
    (REAL, lambda: PushT(Relative(), SHOWN)),
    (OTHER, lambda: PushT(Relative(), SHOWN)),
    (SURE, lambda: learned(EnsembleConfig("nano", PUSH_T.body))),
    (CHANCY, lambda: learned(DiffusionConfig("nano", "mlp", context=2, steps=1, frame=PUSH_T.body))),
    (SEEN, drifting),
    (COUNTER, Counter),
]
