"""The configuration of the diffusion world model. JAX-free."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError
from diorama.models.tokenizer.config import TokenizerConfig
from diorama.nn.planar_frame import PlanarFrame

MLP_SIZES = {"nano": (128, 2), "xs": (256, 2), "s": (512, 3), "m": (1024, 3), "l": (2048, 4)}
"""``size`` to (width, hidden layers)."""
TRANSFORMER_SIZES = {"nano": (48, 1, 4), "xs": (96, 3, 4), "s": (192, 4, 6), "m": (384, 6, 6), "l": (768, 12, 12)}
"""``size`` to (width, blocks, heads), for states and for patches of pictures."""
UNET_SIZES = {
    "nano": ((16, 32), 1, 64),
    "xs": ((32, 32, 32), 1, 128),
    "s": ((32, 32, 32, 32), 2, 256),
    "m": ((64, 64, 64, 64), 2, 256),
    "l": ((128, 256, 512, 1024), 2, 1024),
}
"""``size`` to (channels of each level, blocks of each level, width of the condition); m is the network of DIAMOND."""
HEAD_SIZES = {"nano": (64, 8), "xs": (128, 16), "s": (256, 32), "m": (256, 32), "l": (512, 64)}
"""``size`` to the heads' (width, channels where they see pictures)."""
STATE_NETWORKS = ("mlp", "transformer", "reader")
PICTURE_NETWORKS = ("unet", "patches")
SAMPLERS = ("euler", "heun")


@dataclass(frozen=True)
class DiffusionConfig:
    """A diffusion world model of vectors or of pictures, as its spec says.

    ``network``: ``mlp``, ``transformer`` or ``reader`` (a transformer that reads the past once a draw) for vectors,
    ``unet`` or ``patches`` for pictures; "" is the first of them.
    ``context``: how many past observations it sees. ``sampler``: ``euler`` (one network call a step) or ``heun`` (two,
    but for the last step) over ``steps`` noise levels. ``frame``: the planar frame in which a vector is seen and
    predicted. ``context_noise``: standard deviation of the noise on past observations while it trains, as a share of
    the spread of what is predicted. ``offset_noise``: that of the noise shared by all pixels of a channel. ``patch``:
    side of a patch in pixels, or in cells of the code. ``latent``: for pictures, the tokenizer whose codes are drawn in
    place of pixels; it learns in the same fit. ``discrete``: the action is a score for each choice, as that of a
    Gymnasium ``Discrete``, and only which of them is the largest counts. ``changes``: of pictures, draw the difference
    to the last one. ``fold``: side of the squares of pixels that a U-Net takes for one pixel of more channels.
    ``noise_mean``: the mean logarithm of the noise levels of training. ``noise_begin``: the level where a draw begins.
    """

    size: str = "s"
    network: str = ""
    context: int = 4
    sampler: str = "euler"
    steps: int = 3
    frame: PlanarFrame | None = None
    context_noise: float = 0.0
    offset_noise: float = 0.3
    patch: int = 4
    latent: TokenizerConfig | None = None
    discrete: bool = False
    changes: bool = False
    fold: int = 1
    noise_mean: float = -0.4
    noise_begin: float = 5.0

    def __post_init__(self) -> None:
        _one_of("Size", self.size, tuple(MLP_SIZES))
        _one_of("Network", self.network, ("", *STATE_NETWORKS, *PICTURE_NETWORKS))
        _one_of("Sampler", self.sampler, SAMPLERS)
        for name in ("context", "steps", "patch", "fold"):
            if getattr(self, name) < 1:
                raise ConfigError(f"DiffusionConfig.{name} is {getattr(self, name)}; it must be at least 1.")
        if not self.noise_begin > 2e-3:
            raise ConfigError(f"DiffusionConfig.noise_begin is {self.noise_begin}; draws end at 0.002, so begin above.")
        for name in ("context_noise", "offset_noise"):
            if getattr(self, name) < 0:
                raise ConfigError(f"DiffusionConfig.{name} is {getattr(self, name)}; it must not be negative.")


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{what} {value!r} is unknown; choose one of {list(known)}.")
