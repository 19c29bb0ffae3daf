"""Real trials well spent: which to do next and why, a blinded sheet to do them from, and what they say. JAX-free.

Names load on first use.
"""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "planning": ("Request", "Trial", "TrialPlan", "plan_trials"),
        "blinding": ("Key", "Row", "Sheet", "blind", "commitment", "read_key"),
        "worksheet": ("read_outcomes", "sheet_csv", "sheet_html", "sheet_markdown"),
        "estimating": ("Answer", "answer"),
    },
)
