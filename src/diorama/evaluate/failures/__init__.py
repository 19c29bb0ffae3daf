"""How a policy fails: records, slices of the scenario factors, clusters, a seed taxonomy, and what worlds hide.

Names load on first use.
"""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "hidden": ("BlindSpot", "blind_spots", "replay_failures"),
        "clusters": ("Clusters", "adjusted_rand", "cluster"),
        "summary": ("page",),
        "general": ("GENERAL", "general_endings", "general_phases"),
        "pushing": ("PUSHING", "pushing_endings", "pushing_phases"),
        "records": ("Records",),
        "slices": ("Slice", "find_slices"),
        "taxonomy": ("SEEDS", "Mode", "Rule", "Ways", "labelled"),
    },
)
