"""A small autoencoder of pictures, whose codes other models predict in place of pixels."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "config": ("TokenizerConfig",),
        "tokenizer": ("Tokenizer",),
    },
)
