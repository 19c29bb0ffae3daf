"""The abstract parts that every other package speaks: specs, worlds, models, policies, trajectories.

Names load on first use, so that ``diorama.core.errors`` and ``diorama.core.spec`` stay free of JAX.
"""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "errors": ("ConfigError", "ConformanceError", "DataError", "DioramaError", "SpecError"),
        "spec": ("ArraySpec", "EnvSpec", "Factor", "ScenarioSpace"),
        "module": (
            "AbstractVar",
            "Module",
            "combine",
            "field",
            "filter_grad",
            "filter_jit",
            "filter_value_and_grad",
            "filter_vmap",
            "is_array",
            "is_inexact_array",
            "partition",
            "tree_at",
        ),
        "trajectory": ("Trajectory", "Window"),
        "env": ("Env", "HostEnv", "Scenario"),
        "world_model": ("Metrics", "Prediction", "WorldModel"),
        "objective": ("DiscountedReturn", "Effort", "Objective", "WeightedSum"),
        "policy": ("Policy",),
        "host_policy": ("HostPolicy", "JittedPolicy", "TruncatingHostEnv", "as_host_policy"),
        "conformance": ("Report",),
    },
)
