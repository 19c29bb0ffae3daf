"""The recurrent state-space model of DreamerV3. The configuration is JAX-free; the rest loads on first use."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "config": ("RSSMConfig",),
        "core": ("Core", "Latent"),
        "decoder": ("Decoder",),
        "encoder": ("Encoder",),
        "heads": ("Heads",),
        "model": ("RSSM",),
    },
)
