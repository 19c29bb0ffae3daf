"""Push-T as quasi-static pushing with an ellipsoidal limit surface: pure JAX, differentiable, calibrated from data."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "calibration": ("Identified", "identify"),
        "env": ("QuasiStaticPushT", "QuasiStaticState"),
        "factors": ("PHYSICAL", "physical"),
        "host": ("HostQuasiStaticPushT",),
        "limit_surface": ("Push", "yielded"),
        "parameters": ("Parameters", "by_geometry"),
    },
)
