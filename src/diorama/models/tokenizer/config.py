"""The configuration of the tokenizer. JAX-free."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError

TOKENIZER_SIZES = {"nano": 16, "xs": 32, "s": 48, "m": 64, "l": 128}
"""``size`` to channels of the layers."""


@dataclass(frozen=True)
class TokenizerConfig:
    """Pictures ``[H, W, C]`` to codes ``[H / 2^halvings, W / 2^halvings, channels]``.

    ``noise``: standard deviation of the noise on codes while the decoder learns; codes lie in -1 .. 1.
    """

    size: str = "s"
    halvings: int = 2
    channels: int = 4
    noise: float = 0.1

    def __post_init__(self) -> None:
        if self.size not in TOKENIZER_SIZES:
            raise ConfigError(f"Size {self.size!r} is unknown; choose one of {list(TOKENIZER_SIZES)}.")
        for name in ("halvings", "channels"):
            if getattr(self, name) < 1:
                raise ConfigError(f"TokenizerConfig.{name} is {getattr(self, name)}; it must be at least 1.")
        if self.noise < 0:
            raise ConfigError(f"TokenizerConfig.noise is {self.noise}; it must not be negative.")
