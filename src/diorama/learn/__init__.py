"""Learners as pure ``init`` and ``update``. Configurations and progress are JAX-free; the rest loads on first use."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "config": ("CloningConfig", "FirstOrderConfig", "FitConfig"),
        "progress": ("History", "JsonLines", "Progress", "Report", "Several", "silent"),
        "checkpoint": ("Checkpoints",),
        "state": ("TrainState",),
        "fitting": ("Fitted", "fit"),
        "precision": ("has_bfloat16", "products"),
        "cloning": ("clone",),
        "diffusion_cloning_config": ("DiffusionCloningConfig",),
        "diffusion_cloning": ("clone_by_diffusion",),
        "ppo_config": ("PPOConfig",),
        "ppo": ("train_ppo",),
        "first_order": ("train_first_order",),
    },
)
