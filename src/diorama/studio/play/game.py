"""Which is real? Pairs of clips, one of reality and one imagined, from the same start under the same actions.

A round has a fixed number of pairs, so that its interval is exact. Which clip is real is drawn by the server and stays
there until the guess is made; each pair can be guessed once. What a guess was is kept at once, one line of JSON each.
"""

import json
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

from diorama.core.errors import ConfigError
from diorama.evaluate.statistics import beta_binomial, clopper_pearson
from diorama.evaluate.statistics.estimate import Estimate
from diorama.studio.play.clips import Clips, clip_pair
from diorama.studio.play.config import PlayConfig
from diorama.studio.play.stable import Offer, Stable

CHANCE = 0.5
"""The share of right guesses of somebody who cannot tell."""
_ROUNDS = 32
_HOUR = 3600.0
_SEEDS = 2**31


@dataclass
class Pair:
    """One pair of a round: the seed of its start, where the real clip stands (0 or 1), and the guess, if made."""

    seed: int
    real: int
    shown: float | None = None
    guess: int | None = None


@dataclass
class Round:
    """Guesses of one player about one world."""

    id: str
    offer: Offer
    pairs: list[Pair]
    begun: float = field(default_factory=time.time)

    @property
    def done(self) -> int:
        """Guesses made."""
        return sum(pair.guess is not None for pair in self.pairs)

    @property
    def right(self) -> int:
        """Right guesses."""
        return sum(pair.guess == pair.real for pair in self.pairs)


@final
class Game:
    """The rounds that are being played, and what was ever guessed. May be called from several threads."""

    def __init__(self, stable: Stable, config: PlayConfig, file: Path) -> None:
        self._stable, self._config, self._file = stable, config, file
        self._rounds: OrderedDict[str, Round] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, world: str) -> Round:
        """A new round about a learned or a physical world. Raises `ConfigError` where nothing real is beside it."""
        offer = self._stable.find(world)
        if offer.kind == "real":
            raise ConfigError(f"{offer.title} stands for reality; choose a world to tell from it.")
        if self._stable.real(offer.arena) is None:
            raise ConfigError(f"Nothing stands for reality beside {offer.title}; it cannot be told from it.")
        draws = [(secrets.randbelow(_SEEDS), secrets.randbelow(2)) for _ in range(self._config.guesses)]
        made = Round(secrets.token_urlsafe(16), offer, [Pair(*draw) for draw in draws])
        with self._lock:
            self._rounds[made.id] = made
            while len(self._rounds) > _ROUNDS:
                self._rounds.popitem(last=False)
        return made

    def clips(self, round_id: str, number: int) -> dict[str, Any]:
        """The two clips of a pair in the order in which they are shown, as JSON values; nothing says which is which."""
        played, pair = self._pair(round_id, number)
        made: Clips = clip_pair(self._stable, played.offer, pair.seed, self._config)
        both = [made.imagined, made.imagined]
        both[pair.real] = made.real
        pair.shown = pair.shown or time.time()
        return {"view": made.view, "period": made.period, "clips": both}

    def guess(self, round_id: str, number: int, choice: int) -> dict[str, Any]:
        """Guess which clip of a pair is real; whether it was, and how the round stands.

        Raises `ConfigError` for a pair that was not shown or was guessed already.
        """
        played, pair = self._pair(round_id, number)
        with self._lock:
            if pair.guess is not None:
                raise ConfigError("This pair was guessed already; go on to the next one.")
            if pair.shown is None:
                raise ConfigError("Look at the two clips before you guess.")
            pair.guess = choice
            self._keep(played, number, pair)
        return {"right": pair.guess == pair.real, "real": pair.real, **self.standing(round_id)}

    def standing(self, round_id: str) -> dict[str, Any]:
        """How a round stands, with its interval once it is over, and all that was guessed about the world."""
        played = self._round(round_id)
        over = played.done == len(played.pairs)
        score = clopper_pearson(played.right, played.done) if over else None
        return {
            "done": played.done,
            "rights": played.right,
            "pairs": len(played.pairs),
            "chance": CHANCE,
            "score": score and _said(score),
            "verdict": verdict(score) if score else "",
            "ever": self.ever(played.offer),
        }

    def ever(self, offer: Offer) -> dict[str, Any] | None:
        """The score of all guesses about a world, with an interval that holds whenever one looks; None without any."""
        outcomes = [line["right"] for line in self._lines() if line["world"] == _key(offer)]
        return _said(beta_binomial(sum(outcomes), len(outcomes))) if outcomes else None

    def _round(self, round_id: str) -> Round:
        with self._lock:
            played = self._rounds.get(round_id)
        if played is None or time.time() - played.begun > _HOUR:
            raise ConfigError("This round is over or was never begun; begin a new one.")
        return played

    def _pair(self, round_id: str, number: int) -> tuple[Round, Pair]:
        played = self._round(round_id)
        if not 0 <= number < len(played.pairs):
            raise ConfigError(f"This round has the pairs 0 to {len(played.pairs) - 1}.")
        return played, played.pairs[number]

    def _keep(self, played: Round, number: int, pair: Pair) -> None:
        now = time.time()
        line = {
            "round": played.id,
            "pair": number,
            "world": _key(played.offer),
            "title": played.offer.title,
            "seed": pair.seed,
            "steps": self._config.clip,
            "real": pair.real,
            "guess": pair.guess,
            "right": pair.guess == pair.real,
            "seconds": round(now - (pair.shown or now), 2),
            "time": round(now, 3),
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(line) + "\n")

    def _lines(self) -> list[dict[str, Any]]:
        """What was guessed; a line that a crash cut short is left out."""
        if not self._file.is_file():
            return []
        found = []
        for text in self._file.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(text))
            except ValueError:
                continue
        return found


def verdict(score: Estimate) -> str:
    """What the interval says about chance, in a sentence."""
    if score.low > CHANCE:
        return "You can tell them apart: the whole interval lies above chance."
    if score.high < CHANCE:
        return "You take the imagined one for real: the whole interval lies below chance."
    return "Chance lies in the interval: this round does not show that you can tell them apart, nor that you cannot."


def _key(offer: Offer) -> str:
    """What guesses about a world are kept under: its version where it has one."""
    return offer.version or offer.id


def _said(score: Estimate) -> dict[str, Any]:
    return {name: value for name, value in asdict(score).items()}
