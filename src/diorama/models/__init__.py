"""Learned dynamics. Configurations are JAX-free; everything else loads on first use."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "config": ("EnsembleConfig",),
        "diffusion": ("Diffusion", "DiffusionConfig"),
        "ensemble": ("Ensemble",),
        "residual": ("Residual", "ResidualConfig"),
        "rssm": ("RSSM", "RSSMConfig"),
        "check": ("check_model",),
        "artifact": ("BUILDERS", "build", "load", "save"),
    },
)
