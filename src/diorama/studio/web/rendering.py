"""Templates: Jinja2 with everything escaped, and the few words and numbers that pages share."""

from collections.abc import Mapping
from pathlib import Path

import jinja2

from diorama.studio.web import words
from diorama.studio.web.assets import Asset
from diorama.studio.web.pages.links import address, kind_words

TEMPLATES = (Path(__file__).parent / "templates", Path(__file__).parent.parent / "play" / "templates")
_FILTERS = ("short", "moment", "duration", "percent", "number", "count", "size")


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
    made.filters |= {name: getattr(words, name) for name in _FILTERS}
    made.globals |= {
        "address": address,
        "kind_words": kind_words,
        "score_words": words.score_words,
        "interval_words": words.interval_words,
    }
    made.globals["asset"] = lambda name: f"/assets/{name}?v={assets[name].tag}"
    return made
