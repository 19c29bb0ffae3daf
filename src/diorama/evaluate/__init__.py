"""How good is a policy: protocols, scores, intervals and statistics. Names load on first use."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "intervals": ("mean", "paired_difference", "rate"),
        "statistics.estimate": ("Estimate",),
        "protocol": ("Evaluation", "Metric", "episode_return", "evaluate", "run_episodes"),
    },
)
