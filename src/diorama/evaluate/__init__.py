"""How good is a policy: protocols, scores and intervals."""

from diorama.evaluate.intervals import Estimate, mean, paired_difference, rate
from diorama.evaluate.protocol import Evaluation, Metric, episode_return, evaluate, run_episodes

__all__ = [
    "Estimate",
    "Evaluation",
    "Metric",
    "episode_return",
    "evaluate",
    "mean",
    "paired_difference",
    "rate",
    "run_episodes",
]
