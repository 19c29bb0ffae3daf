"""Templates: Jinja2 with everything escaped, and the few words and numbers that pages share."""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from diorama.studio.web.assets import Asset

TEMPLATES = (Path(__file__).parent / "templates", Path(__file__).parent.parent / "play" / "templates")
_SHORT = 12
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def environment(assets: Mapping[str, Asset]) -> jinja2.Environment:
    """Templates of the studio and of play; an unknown name in one is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(folder) for folder in TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "short": short,
        "moment": moment,
        "duration": duration,
        "percent": percent,
        "number": number,
        "count": count,
    }
    made.globals["asset"] = lambda name: f"/assets/{name}?v={assets[name].tag}"
    return made


def short(digest: str) -> str:
    """The first digits of an id."""
    return digest[:_SHORT]


def moment(seconds: float) -> str:
    """A time [s since 1970] in UTC, to the minute."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M")


def duration(seconds: float | None) -> str:
    """A duration [s] in the unit that fits."""
    if seconds is None:
        return "unknown"
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == 0 else f"{seconds:.2g} s"


def percent(share: float | None, digits: int = 0) -> str:
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
