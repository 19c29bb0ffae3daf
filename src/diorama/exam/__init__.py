"""What does a model know: examinations of world models on interaction that it was not trained on."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "actions": ("Sensitivity",),
        "bootstrap": ("Bootstrap", "ErrorCurve"),
        "calibration": ("Calibration",),
        "gradient_agreement": ("Agreement", "GradientAgreement", "InModel", "InTruth", "Mode", "examine_gradients"),
        "open_loop": ("Baseline", "Measured", "OpenLoop", "examine_open_loop"),
        "ridge": ("Ridge",),
    },
)
