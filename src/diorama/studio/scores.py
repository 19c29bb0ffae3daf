"""The scores of policies as rows of text, for a page or a terminal; no drawing is loaded for them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def score_header(evaluations: Sequence[Mapping[str, Any]]) -> list[str]:
    """The header of the table of `score_rows`."""
    return ["policy", "episodes", *evaluations[0]["estimates"]]


def score_rows(evaluations: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A table row for each policy: its name, its episodes and each estimate with its interval."""
    return [[e["policy"], str(len(e["seeds"])), *map(interval_text, e["estimates"].values())] for e in evaluations]


def interval_text(estimate: Mapping[str, Any]) -> str:
    """``value [low, high]``."""
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def read_json(path: Path) -> Any:
    """A JSON file of the run."""
    return json.loads(path.read_text(encoding="utf-8"))
