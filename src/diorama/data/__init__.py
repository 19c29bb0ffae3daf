"""Episodes on disk: LeRobot v3 natively, with identities, statistics, windows and importers.

Names load on first use, so that reading and writing stay free of JAX.
"""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "check": ("Finding", "check_dataset", "require_sound"),
        "dataset": ("Dataset",),
        "features": ("Feature", "features_of"),
        "identity": (
            "EpisodeIdentity",
            "exact_digest",
            "hamming_distance",
            "merkle_root",
            "motion_sketch",
            "motion_similarity",
            "near_duplicates",
            "picture_hash",
        ),
        "sealing": ("seal",),
        "video": ("H264", "Av1", "Png"),
        "writer": ("DatasetWriter",),
        "frame_cache": ("FrameCache",),
        "importers": ("import_dataset",),
        "shuffle": ("Shuffle",),
        "tables": ("Columns",),
        "trajectories": ("read_trajectories", "trajectory_features", "write_trajectories"),
        "windows": ("Batches", "Drop", "Repeat", "Tail", "Windows"),
    },
)
