"""Policies: actors, planners and baselines. Configurations are JAX-free; the rest loads on first use."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "config": ("ActorConfig", "DescentConfig", "IcemConfig", "PlannerConfig", "RandomConfig"),
        "authority": ("LogDeterminant", "Measure", "Needed", "SmallestSingular"),
        "actor": ("Actor", "Critic", "Likeliest", "Sampled"),
        "check": ("check_policy",),
        "constant": ("Constant",),
        "diffusion_config": ("DiffusionPolicyConfig", "MLPDenoiserConfig", "UNetDenoiserConfig"),
        "diffusion_policy": ("DiffusionPolicy",),
        "diffusion_schedule": ("DDIM", "DDPM"),
        "foreign": ("from_callable", "to_callable"),
        "latent": ("LatentPolicy",),
        "random": ("RandomPolicy",),
        "planners": ("Planner", "cem", "cem_then_gradient", "gradient_planner", "icem", "mppi"),
        "artifact": ("BUILDERS", "build", "load", "save"),
    },
)
