"""Physics plus a learned residual. The configuration is JAX-free; the rest loads on first use."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "building": ("residual_builder",),
        "config": ("ResidualConfig",),
        "model": ("Residual",),
        "physics": ("Physics", "Simulated", "Still"),
    },
)
