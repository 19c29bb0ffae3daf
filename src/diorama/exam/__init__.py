"""What does a model know: examinations of world models on interaction that it was not trained on."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {"open_loop": ("ErrorCurve", "OpenLoop", "examine_open_loop")},
)
