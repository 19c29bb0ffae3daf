"""Layers and distributions, one file each. Names load on first use; `PlanarFrame` is free of JAX."""

from diorama.core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "attention": ("AdaptiveBlock", "Attention"),
        "block_gru": ("BlockGRU", "BlockLinear"),
        "categorical": ("Categorical",),
        "convolution": ("Convolution", "depth_to_space", "space_to_depth"),
        "distributions": ("SquashedNormal", "gaussian_negative_log_likelihood", "soft_clip"),
        "features": ("Features",),
        "fourier": ("waves_of",),
        "group_norm": ("AdaptiveGroupNorm",),
        "initialisers": ("orthogonal",),
        "fan_in": ("fan_in_normal",),
        "normed_mlp": ("Dense", "NormedMLP"),
        "rms_norm": ("RMSNorm",),
        "two_hot": ("TwoHot",),
        "mlp": ("MLP", "layer_norm", "nothing"),
        "normaliser": ("Normaliser",),
        "planar": ("action_to_frame", "from_frame", "lift", "normalise_heading", "rotate", "to_frame"),
        "planar_frame": ("PlanarFrame",),
        "vectors": ("Layout",),
    },
)
