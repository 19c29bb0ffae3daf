"""Configuration of diffusion policies. JAX-free."""

from dataclasses import dataclass, field

from diorama.core.errors import ConfigError
from diorama.nn.planar_frame import Pair, PlanarFrame


@dataclass(frozen=True)
class MLPDenoiserConfig:
    """A denoiser that sees the whole chunk as one vector. ``hidden``: widths of its layers."""

    hidden: tuple[int, ...] = (512, 512, 512)


@dataclass(frozen=True)
class UNetDenoiserConfig:
    """A denoiser that convolves over time. ``channels`` of its levels, each half as long as the one before."""

    channels: tuple[int, ...] = (64, 128, 256)
    kernel: int = 5
    groups: int = 8

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0:
            raise ConfigError(f"A kernel of {self.kernel} has no middle; choose 3 or 5.")
        if not self.channels or any(width % self.groups for width in self.channels):
            raise ConfigError(f"Channels {self.channels} do not divide into {self.groups} groups; choose multiples.")

    @property
    def shortest(self) -> int:
        """By what the length of a chunk must be divisible."""
        return 2 ** (len(self.channels) - 1)


@dataclass(frozen=True)
class DiffusionPolicyConfig:
    """A policy that draws chunks of actions by denoising. Names and defaults follow arXiv 2303.04137.

    It looks at the last ``history`` observations, plans ``horizon`` actions, the first of which belongs to the oldest
    observation, and carries out ``execute`` of them from the present one on. ``noise_steps``: steps of the noise
    schedule. ``frame``: a planar frame from which it sees too, and in which it plans the entries of the action that the
    frame names. ``time_features``: size of the encoding of the step.
    """

    horizon: int = 16
    history: int = 2
    execute: int = 8
    noise_steps: int = 100
    denoiser: MLPDenoiserConfig | UNetDenoiserConfig = field(default_factory=MLPDenoiserConfig)
    time_features: int = 64
    frame: PlanarFrame | None = None

    def __post_init__(self) -> None:
        for name in ("horizon", "history", "execute", "noise_steps"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"DiffusionPolicyConfig.{name} is {getattr(self, name)}; it must be positive.")
        if self.history - 1 + self.execute > self.horizon:
            raise ConfigError(
                f"{self.execute} actions from observation {self.history} on do not fit a horizon of {self.horizon}; "
                "execute fewer."
            )
        if self.time_features < 4 or self.time_features % 2:
            raise ConfigError(f"time_features is {self.time_features}; choose an even number from 4 up.")
        unet = isinstance(self.denoiser, UNetDenoiserConfig)
        if unet and self.horizon % self.denoiser.shortest:
            raise ConfigError(
                f"A horizon of {self.horizon} cannot be halved {len(self.denoiser.channels) - 1} times; "
                f"choose a multiple of {self.denoiser.shortest}."
            )

    @property
    def turned(self) -> tuple[Pair, ...]:
        """The planar entries of the action that are planned in the frame."""
        return () if self.frame is None else self.frame.actions
