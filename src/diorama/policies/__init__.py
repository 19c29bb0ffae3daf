"""Policies: actors, planners and baselines. Configurations are JAX-free; the rest loads on first use."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "config": ("ActorConfig", "PlannerConfig", "RandomConfig"),
        "actor": ("Actor", "Critic", "Likeliest", "Sampled"),
        "check": ("check_policy",),
        "constant": ("Constant",),
        "foreign": ("from_callable", "to_callable"),
        "random": ("RandomPolicy",),
        "planners": ("Planner", "cem", "mppi"),
        "artifact": ("BUILDERS", "build", "load", "save"),
    },
)
