"""Push-T: gym-pusht's physics in batches, with factors of variation and the three published metrics."""

from diorama.envs.pusht.env import PushT, PushTState
from diorama.envs.pusht.interface import Absolute, Interface, Relative
from diorama.envs.pusht.metrics import best_clipped_coverage, block_reached, goal_reached, success_coverage
from diorama.envs.pusht.physics import PushTPhysics

__all__ = [
    "Absolute",
    "Interface",
    "PushT",
    "PushTPhysics",
    "PushTState",
    "Relative",
    "best_clipped_coverage",
    "block_reached",
    "goal_reached",
    "success_coverage",
]
