"""Imagination: the one `rollout`, its gradient modes, models as environments, any world as a Gymnasium one."""

from diorama.imagine.gradient import Decoupled, Gradient, Stop, Through, swap
from diorama.imagine.gymnasium_face import Normalised, Physical, to_gymnasium, to_gymnasium_single
from diorama.imagine.rollout import rollout
from diorama.imagine.world import AnalyticReward, Exact, Imagined, LearnedReward, as_env

__all__ = [
    "AnalyticReward",
    "Decoupled",
    "Exact",
    "Gradient",
    "Imagined",
    "LearnedReward",
    "Normalised",
    "Physical",
    "Stop",
    "Through",
    "as_env",
    "rollout",
    "swap",
    "to_gymnasium",
    "to_gymnasium_single",
]
