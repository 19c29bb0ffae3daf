"""Push-T in MuJoCo: a tee on a table with dry friction and inertia. Needs the extra ``mujoco``."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "calibration": ("IdentifiedTable", "identify_table"),
        "config": ("Table",),
        "env": ("MuJoCoPushT", "MuJoCoState"),
        "scene": ("Body", "mjcf"),
    },
)
