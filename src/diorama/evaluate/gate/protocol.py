"""What a release asks for: the part of a protocol that the gate reads. JAX-free."""

from dataclasses import dataclass

from diorama.core.errors import ConfigError
from diorama.evaluate.audit import Verdict
from diorama.evaluate.gate.evidence import LEVELS


@dataclass(frozen=True)
class Release:
    """What a release asks for, written down in a `Protocol` before the evidence is looked at.

    ``task``: what is done. ``least``: the success rate in reality that the lower end of the interval must reach, at
    confidence ``level`` (1 minus the alpha of the protocol). ``budget``: whose purses paid the real trials;
    ``estimation`` and ``discovery``: least starts of each. ``worlds``: least number of worlds other than reality, of
    ``structures`` different structures, with an effective number of at least ``effective``. ``disagreement``: greatest
    share of starts on which the worlds differ that may be left without a discovery trial. ``verdict``: worst audit that
    passes. ``evidence``: least rung of the ladder. ``channel``: what is moved, "" for nothing.
    """

    task: str
    least: float
    budget: str
    level: float = 0.95
    estimation: int = 20
    discovery: int = 0
    worlds: int = 2
    structures: int = 2
    effective: float = 2.0
    disagreement: float = 1.0
    verdict: str = "labelled"
    evidence: str = "L7"
    channel: str = ""

    def __post_init__(self) -> None:
        shares = (self.least, self.level, self.disagreement)
        counts = (self.estimation, self.discovery, self.worlds, self.structures)
        if not all(0.0 <= share <= 1.0 for share in shares) or min(counts) < 0 or not 0.0 < self.level < 1.0:
            raise ConfigError("Rates of a protocol lie in [0, 1], its level in (0, 1), and its counts are at least 0.")
        if self.verdict not in set(Verdict):
            raise ConfigError(f"A protocol accepts a verdict of {', '.join(Verdict)}, not {self.verdict!r}.")
        if self.evidence not in LEVELS:
            raise ConfigError(f"A protocol asks for evidence of {', '.join(LEVELS)}, not {self.evidence!r}.")
