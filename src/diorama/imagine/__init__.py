"""Imagination: the one `rollout`, its gradient modes, models as environments, any world as a Gymnasium one."""

from diorama.imagine.gradient import Decoupled, Gradient, Stop, Through, swap
from diorama.imagine.gymnasium_face import Normalised, Physical, to_gymnasium, to_gymnasium_single
from diorama.imagine.latent import Latent, LatentState, as_latent, latent_spec
from diorama.imagine.rollout import rollout, rollout_to
from diorama.imagine.world import AnalyticReward, Exact, Imagined, LearnedReward, as_env

__all__ = [
    "AnalyticReward",
    "Decoupled",
    "Exact",
    "Gradient",
    "Imagined",
    "Latent",
    "LatentState",
    "LearnedReward",
    "Normalised",
    "Physical",
    "Stop",
    "Through",
    "as_env",
    "as_latent",
    "latent_spec",
    "rollout",
    "rollout_to",
    "swap",
    "to_gymnasium",
    "to_gymnasium_single",
]
