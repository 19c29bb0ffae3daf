"""A diffusion world model: the next observation is drawn by denoising, under the past observations and actions."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "config": ("DiffusionConfig",),
        "denoiser": ("Context", "Denoiser"),
        "model": ("Diffusion", "DiffusionBelief"),
        "preconditioning": ("NoiseLevels", "Preconditioning"),
        "samplers": ("Euler", "Heun", "Sampler", "Schedule"),
    },
)
