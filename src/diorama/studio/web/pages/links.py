"""Addresses of pages, and the words that several of them share."""

from diorama.registry.explain import Neighbour
from diorama.registry.records import Version
from diorama.studio.web.answers.versions import Row

PLACES = {
    "simulator": "worlds",
    "policy": "policies",
    "dataset": "data",
    "evaluation": "evaluations",
    "audit": "audits",
}
MENU = (
    ("/worlds", "Worlds"),
    ("/policies", "Policies"),
    ("/lineage", "Lineage"),
    ("/evaluations", "Evaluations"),
    ("/gate", "Gate"),
    ("/data", "Data"),
    ("/runs", "Runs"),
)
KINDS = {"simulator": "world", "scenario_set": "scenarios", "failure_mode": "failure mode"}
"""Kinds that people call otherwise."""


def address(one: Row | Version | Neighbour) -> str:
    """The page of a version."""
    return f"/{PLACES.get(one.kind, 'versions')}/{one.id}"


def kind_words(kind: str) -> str:
    """A kind as people say it."""
    return KINDS.get(kind, kind)
