"""What the fields of versions mean to the answers: names of roles and fields that several of them read."""

import datetime
from collections.abc import Mapping
from typing import Any

from diorama.registry.records import Edge, Version

DAY_S = 86400.0
MAKING = ("derived_from", "initialised_from", "trained_on", "trained_in", "data_from", "selected_by")
"""The roles through which something of the target is in the source."""
DATA = ("dataset", "episode")
"""The kinds that hold data."""
GENERATED = ("learned", "hybrid")
"""The origins of a simulator whose data are its own invention, at least in part."""
CHANGED = ("patch", "finetune")
"""The relations of ``derived_from`` that change weights instead of building them anew."""


def origin(version: Version) -> str:
    """``real``, ``physics``, ``learned``, ``hybrid`` or whatever else the version says.

    It says so in ``fields["origin"]`` (a text, or an object with ``kind``), a simulator also in ``fields["kind"]``; a
    simulator that says nothing and was trained on data is learned. A simulator with ``fields["stands_for"]`` equal to
    ``"reality"`` counts as real: it is what the recipes measure against.
    """
    if version.fields.get("stands_for") == "reality":
        return "real"
    said = version.fields.get("origin") or (version.fields.get("kind") if version.kind == "simulator" else None)
    said = said.get("kind") if isinstance(said, Mapping) else said
    if isinstance(said, str) and said:
        return said
    trained = any(edge.role in ("trained_on", "initialised_from", "derived_from") for edge in version.edges)
    return "learned" if version.kind == "simulator" and trained else ""


def expires_at(version: Version) -> float | None:
    """When what the version says is over [s since 1970, UTC]; None where it names no end ("" is none).

    It names a moment in ``fields["expires"]`` (seconds, or ISO 8601), or ``fields["valid_days"]`` from its registration
    on. An end that cannot be read is over already: what cannot be dated must not be believed for ever.
    """
    # A scenario set without a last day says "".
    if version.fields.get("expires") not in (None, ""):
        return _moment(version.fields["expires"], 0.0)
    days = version.fields.get("valid_days")
    if days is None:
        return None
    sound = isinstance(days, int | float) and not isinstance(days, bool)
    return version.created + days * DAY_S if sound else 0.0


def changes_weights(edge: Edge) -> bool:
    """Whether the edge says that the source continues the target's weights: a patch, a fine-tune, a start from it."""
    return edge.role == "initialised_from" or edge.attributes.get("relation") in CHANGED


def recorded_at(version: Version) -> float:
    """When data were recorded, or the version was registered [s since 1970, UTC]; ``recorded_at`` may be ISO 8601."""
    return _moment(version.fields.get("recorded_at"), version.created)


def _moment(value: Any, otherwise: float) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            moment = datetime.datetime.fromisoformat(value)
        except ValueError:
            return otherwise
        # A time without a zone is taken as UTC, so that the answer does not hang on the machine's zone.
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
    return otherwise
