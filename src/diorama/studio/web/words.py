"""Numbers, times and ids as words."""

import datetime
from typing import Any

_SHORT = 12
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def short(digest: str) -> str:
    """The first digits of an id."""
    return digest[:_SHORT]


def moment(seconds: float | int) -> str:
    """A time [s since 1970] in UTC, to the minute."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M")


def duration(seconds: float | int | None) -> str:
    """A duration [s] in the unit that fits."""
    if seconds is None:
        return "unknown"
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == 0 else f"{seconds:.2g} s"


def percent(share: float | int | None, digits: int = 0) -> str:
    """A share as percent."""
    return "unknown" if share is None else f"{100 * share:.{digits}f} %"


def number(value: Any, digits: int = 3) -> str:
    """A number to so many digits that count; anything else as text."""
    if value is None:
        return "unknown"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e9):
        return f"{int(value):,}"
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def count(value: int, one: str, many: str = "") -> str:
    """``1 world``, ``3 worlds``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def interval_words(value: float | int, low: float | int, high: float | int, rate: bool, n: int = 0) -> str:
    """``62 % [50, 73], n = 64``."""
    if rate:
        said = f"{percent(value)} [{100 * low:.0f}, {100 * high:.0f}]"
    else:
        said = f"{number(value)} [{number(low)}, {number(high)}]"
    return f"{said}, n = {n}" if n else said


def score_words(score: Any) -> str:
    """A score with its interval and how many episodes."""
    return interval_words(score.value, score.low, score.high, score.rate, score.n)


def size(count: float | int | None) -> str:
    """Bytes in the unit that fits."""
    if count is None:
        return "unknown"
    for limit, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count:.0f} bytes"
