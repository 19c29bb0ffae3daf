"""Numbers with their right to be believed: intervals, tests, sequences, rankings and budgets, on NumPy and SciPy.

None of these modules imports JAX. Names load on first use.
"""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "estimate": ("Estimate",),
        "binomial": ("beta_posterior", "clopper_pearson", "wilson"),
        "sequence": ("beta_binomial", "beta_binomial_path"),
        "betting": ("betting_mean", "betting_path"),
        "comparison": (
            "barnard",
            "first_crossing",
            "mcnemar",
            "paired_evidence",
            "paired_rates",
            "unpaired_evidence",
        ),
        "prediction_powered": ("Stratum", "bounded_mean", "powered_mean", "stratified_mean", "tuned_power"),
        "allocation": ("Allocation", "neyman"),
        "weighting": ("weighted_mean",),
        "purses": ("Draws", "discovery_draws", "draw_systematic", "estimation_draws", "inclusion", "union_probability"),
        "ranking": (
            "correlation_interval",
            "kendall",
            "mmrv",
            "pearson",
            "ranking_difference",
            "ranking_study",
            "spearman",
        ),
        "aggregate": ("interquartile_mean", "interquartile_mean_interval"),
        "evidence": ("benjamini_hochberg", "e_to_p", "merge_independent", "merge_mean", "p_to_e"),
        "ledger": ("AlphaLedger", "Spending", "series_share", "simultaneous_half_width"),
        "judge": ("JudgeReport", "corrected_rate", "judge_report"),
        "power": ("episodes_per_arm", "episodes_to_see", "pairs_needed", "saved_share"),
    },
)
