"""What a player's browser may say over the WebSocket, and what it is told: small JSON messages, described in the docs.

Every message is checked before anything is done with it: its size, its fields, their types and ranges. An unknown field
or a number that is not finite is refused with a sentence.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diorama.core.errors import DioramaError
from diorama.studio.play.controls import Hands

AXES = 32
"""Most axes of an input."""
_NAME = 200
_LARGEST = 2**53


class ProtocolError(DioramaError):
    """A message that is none of the protocol's."""


@dataclass(frozen=True)
class StartWish:
    """Where play shall begin: a seed of reality, or a row of an episode of a dataset."""

    seed: int = 0
    dataset: str = ""
    episode: int = 0
    row: int = 0


@dataclass(frozen=True)
class Open:
    """Play in ``world``, beside ``beside`` ("" for none), from ``start``, at ``rate`` frames/s (0: the world's own)."""

    world: str
    beside: str
    start: StartWish
    rate: float


@dataclass(frozen=True)
class Input:
    """What the player does now.

    ``seq`` and ``sent`` come back with the frame that used it; ``seen`` is the newest frame that was drawn.
    """

    hands: Hands
    seq: int
    sent: float
    seen: int


@dataclass(frozen=True)
class Switch:
    """Another main world, from here or ``again`` from the start with the same actions."""

    world: str
    again: bool


@dataclass(frozen=True)
class Beside:
    """Another world beside the main one; "" for none."""

    world: str
    again: bool


@dataclass(frozen=True)
class Reset:
    """Begin again, from the same start or another one."""

    start: StartWish | None


@dataclass(frozen=True)
class Rate:
    """Another frame rate."""

    rate: float


@dataclass(frozen=True)
class Pause:
    """Stand still, or go on."""

    on: bool


@dataclass(frozen=True)
class Record:
    """Begin to record, or end it; a recording that is not to be ``keep`` is thrown away."""

    on: bool
    keep: bool


@dataclass(frozen=True)
class Ping:
    """Answered at once with the same number."""

    sent: float


Message = Open | Input | Switch | Beside | Reset | Rate | Pause | Record | Ping


class _Fields:
    """The fields of a message, taken one by one; what is left over at the end is refused."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._left = dict(fields)

    def _take(self, name: str, default: Any, fits: Callable[[Any], bool], what: str) -> Any:
        value = self._left.pop(name, default)
        if not fits(value):
            raise ProtocolError(f"The field {name!r} of a message must be {what}.")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """A short text."""
        return self._take(name, default, lambda v: isinstance(v, str) and len(v) <= _NAME, "a short text")

    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or false."""
        return self._take(name, default, lambda v: isinstance(v, bool), "true or false")

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number from 0."""
        return self._take(name, default, lambda v: _whole(v) and 0 <= v <= _LARGEST, "a whole number from 0")

    def number(self, name: str, default: float | None = None) -> float:
        """A finite number."""
        return float(self._take(name, default, _finite, "a finite number"))

    def numbers(self, name: str, most: int, low: float, high: float) -> tuple[float, ...] | None:
        """A list of at most so many numbers, cut off at the bounds; None where the field is absent."""

        def fits(value: Any) -> bool:
            return value is None or (isinstance(value, list) and len(value) <= most and all(map(_finite, value)))

        given = self._take(name, None, fits, f"a list of at most {most} finite numbers")
        return None if given is None else tuple(min(max(float(v), low), high) for v in given)

    def inner(self, name: str) -> "_Fields | None":
        """The fields of a field that is an object; None where it is absent."""
        given = self._take(name, None, lambda v: v is None or isinstance(v, dict), "an object")
        return None if given is None else _Fields(given)

    def end(self) -> None:
        """Refuse what nobody took."""
        if self._left:
            raise ProtocolError(f"A message has unknown fields {sorted(map(str, self._left))[:5]}; leave them out.")


def parse(text: str | bytes, most: int) -> Message:
    """The message in a text of at most ``most`` bytes. Raises `ProtocolError`."""
    size = len(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    if size > most:
        raise ProtocolError(f"A message has {size} bytes; at most {most} are read.")
    if isinstance(text, bytes):
        raise ProtocolError("A message is JSON text, not bytes.")
    try:
        found = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("A message is not JSON; send one object with a 'type'.") from error
    kind = found.get("type") if isinstance(found, dict) else None
    if not isinstance(kind, str) or kind not in _PARSERS:
        raise ProtocolError(f"A message has no known 'type'; there are {', '.join(sorted(_PARSERS))}.")
    fields = _Fields({name: value for name, value in found.items() if name != "type"})
    message = _PARSERS[kind](fields)
    fields.end()
    return message


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: Any) -> bool:
    if _whole(value):
        return abs(value) <= _LARGEST
    return isinstance(value, float) and math.isfinite(value)


def _start(fields: _Fields | None) -> StartWish | None:
    if fields is None:
        return None
    wish = StartWish(
        fields.whole("seed", 0), fields.text("dataset", ""), fields.whole("episode", 0), fields.whole("row", 0)
    )
    fields.end()
    return wish


def _input(fields: _Fields) -> Input:
    axes = fields.numbers("axes", AXES, -1.0, 1.0) or ()
    point = fields.numbers("point", 2, 0.0, 1.0)
    if point is not None and len(point) != 2:
        raise ProtocolError("The field 'point' of an input must be two numbers, across and down.")
    hands = Hands(axes, None if point is None else (point[0], point[1]))
    return Input(hands, fields.whole("seq", 0), fields.number("sent", 0.0), fields.whole("seen", 0))


_PARSERS: Mapping[str, Callable[[_Fields], Message]] = {
    "open": lambda f: Open(
        f.text("world"), f.text("beside", ""), _start(f.inner("start")) or StartWish(), f.number("rate", 0.0)
    ),
    "input": _input,
    "switch": lambda f: Switch(f.text("world"), f.flag("again", False)),
    "beside": lambda f: Beside(f.text("world", ""), f.flag("again", False)),
    "reset": lambda f: Reset(_start(f.inner("start"))),
    "rate": lambda f: Rate(f.number("rate")),
    "pause": lambda f: Pause(f.flag("on")),
    "record": lambda f: Record(f.flag("on"), f.flag("keep", True)),
    "ping": lambda f: Ping(f.number("sent", 0.0)),
}
