"""Evaluations of the point mass whose probes (C11 to C13) are really played: honest ones, and planted ones.

A policy is evaluated on ``COUNT`` starts and registered, with an edge to the data that it was trained on; then the
probe plays it. `PLANTS` says which check must say what of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import policies
from diorama.evaluate.audit import Audit, State
from diorama.evaluate.preregistered import Protocol
from diorama.evaluate.running import Store
from diorama.evaluate.scenarios import ScenarioSet
from diorama.evaluate.statistics import Estimate
from diorama.recipes import describing
from diorama.recipes.auditing import audit_evaluation
from diorama.recipes.book import Book
from diorama.recipes.candidates import find_candidate
from diorama.recipes.collecting import collect
from diorama.recipes.probing import probe
from diorama.recipes.protocols import Trial, carry_out, register
from diorama.recipes.tasks import find_task
from diorama.recipes.worlds import find_world
from diorama.registry.records import Edge, Manifest

COUNT, LENGTH, TAUGHT = 40, 40, 32
FILE = Path(__file__).with_name("policies.py")
Measures = Mapping[str, Estimate]


@dataclass(frozen=True)
class Plant:
    """A policy by its word in `policies`, the operator whose data it was trained on, and what must be said of it."""

    word: str
    data: str
    check: str
    says: Callable[[Audit, Measures], bool]


def accused(check: str, *measures: str) -> Callable[[Audit, Measures], bool]:
    """The check holds something against the evaluation, by these gains: surely no more than 5 % of the other."""

    def says(audit: Audit, measured: Measures) -> bool:
        gains = {name: one for name, one in measured.items() if name.startswith("gain")}
        most = max(one.value for one in gains.values())
        low = {name for name, one in gains.items() if one.low <= 0.05 * most}
        return audit.outcome(check).state is State.FOUND and set(measures) <= low

    return says


def falls(audit: Audit, measured: Measures) -> bool:
    """C12 says that the score falls surely along the mass."""
    return measured["slope: mass"].high < 0 and "surely along 1 of 1 axes" in audit.outcome("C12").sentence


PLANTS: Mapping[str, Plant] = {
    "has learned the scenarios by heart": Plant("Remembers(seeds={seeds})", "random", "C11", accused("C11")),
    "acts without looking": Plant("Recites", "random", "C13", accused("C13", "gain over blind")),
    "replays its training episodes": Plant(
        "Replays(dataset={data!r})", "steers", "C13", accused("C13", "gain over replay")
    ),
    "worse with another mass": Plant("Steers", "random", "C12", falls),
}
"""What is planted, and what must be said."""
CONTROLS: Mapping[str, Plant] = {
    "honest: looks and steers": Plant(
        "Steers",
        "random",
        "C11, C13",
        lambda audit, _: bool({audit.outcome(c).state for c in ("C11", "C13")} - {State.PASSED}),
    ),
    "honest: its data are demonstrations": Plant(
        "Steers", "steers", "C11", lambda audit, _: audit.outcome("C11").state is not State.PASSED
    ),
    "no mass makes it worse": Plant("Idle", "random", "C12", falls),
}
"""Of whom nothing must be said."""


def probed(plant: Plant, seed: int, book: Book, folder: Path) -> bool:
    """Evaluate the policy on ``COUNT`` starts, play its probe and audit it: whether what it asks for is said of it."""
    task = find_task("point-mass")
    policy = policies.Steers() if plant.data == "steers" else None
    place = folder / f"{plant.data}-{seed}"
    dataset = collect(task, plant.data, range(seed, seed + TAUGHT), place, policy=policy, length=LENGTH)
    data = describing.dataset_id(book, dataset)
    first = 100_000 + seed
    word = plant.word.format(seeds=list(range(first, first + COUNT)), data=str(place))
    candidate = find_candidate(task, f"{FILE}:{word}", book=book)
    edges = (Edge("trained_on", data),)
    made = book.registry.register(Manifest("policy", f"point-mass/{seed}", {"word": word}, {}, edges))
    candidate = replace(candidate, version=made.id)
    world = find_world(task, "point-mass", book=book)
    scenarios = ScenarioSet(task.name, tuple(range(first, first + COUNT)))
    trial = Trial(task, [candidate], [world], scenarios, Protocol(episodes=COUNT, batch=COUNT), LENGTH)
    store = Store(folder / "items")
    [evaluation] = register(book, trial, carry_out(trial, store, book=book))
    made = probe(book, evaluation, episodes=COUNT, store=store, policy=candidate, axes=("mass",))
    measured = {name: one for part in made for name, one in part.measures.items()}
    return plant.says(audit_evaluation(book, evaluation, register=False).audit, measured)
