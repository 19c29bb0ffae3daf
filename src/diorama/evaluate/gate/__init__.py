"""The release gate: is the evidence good enough to let a policy out. Pure functions over plain facts; JAX-free.

Names load on first use.
"""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "protocol": ("Release",),
        "evidence": ("Evidence", "LEVELS", "evidence_level"),
        "deciding": ("Cost", "Decision", "Evaluated", "GateFacts", "Move", "Step", "Trials", "decide"),
    },
)
