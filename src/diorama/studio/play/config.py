"""How much play may take. JAX-free."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError


@dataclass(frozen=True)
class PlayConfig:
    """Bounds of interactive play; each has a reason to exist on a small machine.

    Attributes:
        sessions: players at once.
        idle: time without a player's action after which a session is closed [s].
        rates: frames per second that may be asked for; 0 is the world's own control rate.
        message: longest message of a client [bytes].
        messages: most messages of a client in a second; the rest are dropped.
        in_flight: frames that a client may not have seen yet; while there are more, none is sent.
        context: past observations that a world is told when play begins in the middle.
        replay: most steps that are done again when a world is switched from the same start.
        recorded: most steps of a recorded episode.
        draws: futures that a chance-driven world of vectors shows at once.
        worlds: learned worlds held in memory at once.
        clip: steps of a clip of the game.
        guesses: guesses of one round of the game.
    """

    sessions: int = 8
    idle: float = 300.0
    rates: tuple[float, ...] = (0.0, 10.0, 20.0, 30.0, 60.0)
    message: int = 4096
    messages: int = 200
    in_flight: int = 3
    context: int = 8
    replay: int = 2000
    recorded: int = 6000
    draws: int = 6
    worlds: int = 6
    clip: int = 30
    guesses: int = 20

    def __post_init__(self) -> None:
        for name in (
            "sessions",
            "message",
            "messages",
            "in_flight",
            "context",
            "replay",
            "recorded",
            "draws",
            "worlds",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"PlayConfig.{name} is {getattr(self, name)}; it must be at least 1.")
        if not self.idle > 0 or self.clip < 2 or self.guesses < 2:
            raise ConfigError("Play needs a positive idle time, clips of at least 2 steps and rounds of at least 2.")
