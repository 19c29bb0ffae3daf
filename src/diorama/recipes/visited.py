"""What a policy visited in training, as its run folder keeps it. JAX-free; see `diorama.recipes.visiting`."""

import json
from pathlib import Path
from typing import Any

from diorama.registry.visits import Visits, from_json


def kept(policy: str) -> str:
    """The file of a run folder that holds what a policy visited."""
    return f"visited-{policy}.json"


def read_visited(path: Path) -> dict[str, Any] | None:
    """What a `Visitor` kept, for a manifest: the sketch, and of how many imagined steps it is; None without one."""
    held = read_kept(path)
    if held is None:
        return None
    updates, steps, visits = held
    return visits.to_json() | {"basis": "imagined steps, sampled", "steps": steps, "updates": updates}


def read_kept(path: Path) -> tuple[int, int, Visits] | None:
    """Up to which update, of how many imagined steps, and the sketch; None where nothing was kept."""
    if not path.is_file():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    return record["updates"], record["steps"], from_json(record["visited"])
