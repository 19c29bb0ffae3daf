"""Versions, lineage, and what a patch makes stale: immutable records addressed by digest, and what follows from them.

JAX-free. Names load on first use, so that records and manifests need no database library.
"""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "records": (
            "Advisory",
            "BudgetEntry",
            "ChannelEntry",
            "Damage",
            "Edge",
            "Event",
            "KINDS",
            "Manifest",
            "ROLES",
            "Replay",
            "Revocation",
            "Version",
        ),
        "manifest": ("manifest_id", "manifest_text", "read_manifest"),
        "listing": ("Search",),
        "registry": ("Registry",),
    },
)
