"""Exports: what the registry knows, in the formats that others read. All but MLflow are plain JSON or text.

JAX-free, and no export needs another package, except MLflow's (the extra ``mlflow``).
"""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "cyclonedx": ("bill_of_materials",),
        "mlflow": ("export_to_mlflow",),
        "model_card": ("card_text",),
        "openlineage": ("run_events",),
        "reading": ("Standing",),
        "slsa": ("provenance",),
    },
)
