"""The audit of an evaluation: checks C1 to C16 as pure functions over plain facts. JAX-free, knows no registry.

Names load on first use.
"""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "facts": ("Canary", "Corpus", "TrustedEpisodes", "Facts", "Item", "Link", "Looks", "Node", "Party", "Probe"),
        "findings": ("Finding", "Outcome", "Severity", "State", "Verdict", "Witness", "verdict_of"),
        "matching": ("Match", "Thresholds", "match_items"),
        "ensemble": ("effective_size", "overlaps"),
        "auditing": ("Audit", "CHECKS", "audit"),
    },
)
