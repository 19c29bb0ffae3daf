"""Manifests of what was measured: exams of worlds, evaluations of policies, and the claims that rest on them. JAX-free.

A claim says no more than its evidence: its level is a rung of the ladder L0 to L7 of the design. One evaluation in a
simulator is L0 for reality; a policy that was trained in a learned world and beats acting at random on the same seeds
in a world outside it is L6.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diorama.core.canonical import canonical
from diorama.recipes.book import Book
from diorama.recipes.describing import exam_figures
from diorama.registry.difference import EPISODES
from diorama.registry.records import Edge, Manifest


def evaluation_manifest(
    book: Book, record: Mapping[str, Any], name: str, policy: str, world: str, scenarios: str | None = None
) -> Manifest:
    """One policy in one world. ``record``: `diorama.evaluate.Evaluation.to_json`; ``world``: the simulator's id."""
    table = {"seed": list(record["seeds"])} | dict(record["scores"])
    fields = {
        "policy": record["policy"],
        "world": record["world"],
        "length": record["length"],
        "n": len(record["seeds"]),
        "seeds": [min(record["seeds"]), max(record["seeds"])],
        "estimates": record["estimates"],
    }
    edges = [Edge("evaluates", policy), Edge("evaluated_in", world)]
    if scenarios is not None:
        edges.append(Edge("drawn_from", scenarios))
    blobs = {EPISODES: book.registry.add_blob(canonical(table).encode())}
    return Manifest("evaluation", name, fields, blobs, tuple(edges))


def score_claim(
    record: Mapping[str, Any], metric: str, name: str, evaluations: Sequence[str], level: str, note: str = ""
) -> Manifest:
    """That a policy has this score in this world, with the interval and the evidence that it rests on."""
    estimate = record["estimates"][metric]
    fields = {
        "estimand": f"mean of {metric!r} over fresh seeds in {record['world']!r}",
        "metric": metric,
        "estimate": estimate["value"],
        "interval": [estimate["low"], estimate["high"]],
        "n": len(record["seeds"]),
        "method": "one episode per seed, each to its end",
        "evidence_level": level,
        "policy": record["policy"],
    }
    if note:
        fields["note"] = note
    return Manifest("claim", name, fields, {}, tuple(Edge("supports", target) for target in evaluations))


def score_level(learned: bool, outside: bool, difference: Mapping[str, Any] | None) -> str:
    """L6 where a policy trained in a learned world beats the random one outside, surely; L0 otherwise.

    ``difference``: the paired difference to the random policy, with its interval.
    """
    better = difference is not None and difference["low"] > 0.0
    return "L6" if learned and outside and better else "L0"


def exam_manifests(book: Book, exam: Path, name: str, world: str, dataset: str) -> tuple[Manifest, Manifest | None]:
    """The exam of a world as an evaluation, and the claim that it allows, if any.

    Better than repeating the first observation, with intervals apart, is a statement on open-loop error: L2.
    """
    figures = exam_figures(json.loads(exam.read_text(encoding="utf-8")))
    edges = (Edge("evaluates", world), Edge("drawn_from", dataset))
    fields = {"exam": "open loop", "figures": figures}
    evaluation = Manifest("evaluation", f"{name}/exam", fields, {"exam.json": book.registry.add_blob(exam)}, edges)
    return evaluation, _exam_claim(figures, name)


def supported(claim: Manifest, evaluation: str) -> Manifest:
    """The claim resting on this evaluation."""
    return Manifest(claim.kind, claim.name, claim.fields, claim.blobs, (*claim.edges, Edge("supports", evaluation)))


def _exam_claim(figures: Mapping[str, Any], name: str) -> Manifest | None:
    ours, theirs = figures.get("model", {}), figures.get("copy_last", {})
    if not ("high" in ours and "low" in theirs and ours["high"] < theirs["low"]):
        return None
    fields = {
        "estimand": f"open-loop error after {figures['horizon']} steps on held-out episodes",
        "estimate": ours["mean"],
        "interval": [ours["low"], ours["high"]],
        "reference": {"repeating the first observation": theirs["mean"]},
        "method": "open-loop exam, bootstrap over episodes",
        "evidence_level": "L2",
    }
    return Manifest("claim", f"{name}/open-loop", fields)
