"""Carrying out a protocol: pay for what it looks at, play, look, stop; compare worlds; register what came of it."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from diorama.core.canonical import canonical, digest, to_json
from diorama.core.errors import ConfigError
from diorama.evaluate import intervals
from diorama.evaluate.audit.evidence import TRUSTED
from diorama.evaluate.executors import Place
from diorama.evaluate.preregistered import Protocol
from diorama.evaluate.records import EPISODES, Episodes, to_parquet
from diorama.evaluate.running import Store, Told
from diorama.evaluate.scenarios import ScenarioSet
from diorama.evaluate.statistics.estimate import Estimate
from diorama.recipes import describing, scoring
from diorama.recipes.book import Book
from diorama.recipes.candidates import Candidate
from diorama.recipes.evaluating import HERE, Plan, evaluate_many
from diorama.recipes.tasks import Task
from diorama.recipes.worlds import World, describe
from diorama.registry.records import Manifest
from diorama.registry.resources import Resources

QUERIES, ALPHA, PURSE = "queries", "alpha", "main"
SCENARIOS = "scenarios.json"
"""The blob of a scenario set with its seeds and rows."""
_SHORT = 16


@dataclass(frozen=True, eq=False)
class Trial:
    """Policies of a task in worlds, on scenarios, by a protocol. ``length``: most steps of an episode."""

    task: Task
    policies: Sequence[Candidate]
    worlds: Sequence[World]
    scenarios: ScenarioSet
    protocol: Protocol
    length: int
    watts: float | None = None

    def __post_init__(self) -> None:
        self.scenarios.check(self.task.name, datetime.datetime.now(datetime.UTC).date())
        needed = self.protocol.episodes
        if needed > len(self.scenarios.seeds):
            raise ConfigError(
                f"The protocol asks for {needed} episodes and the set holds {len(self.scenarios.seeds)} scenarios; "
                "draw more, or ask for fewer."
            )
        if unknown := sorted(set(self.protocol.metrics) - set(self.task.metrics)):
            raise ConfigError(f"{self.task.name!r} has no metrics {unknown}; it has {sorted(self.task.metrics)}.")

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics to tell, the deciding one first."""
        others = sorted(set(self.task.metrics) - {self.task.headline})
        return self.protocol.metrics or (self.task.headline, *others)

    @property
    def key(self) -> str:
        """The digest of the question, which is paid for once."""
        made = [[one.digest for one in part] for part in (self.policies, self.worlds)]
        return digest([made, self.scenarios.identity, self.protocol.identity, self.length])


def carry_out(
    trial: Trial, store: Store, *, place: Place = HERE, told: Told | None = None, book: Book | None = None
) -> Episodes:
    """Play until the protocol says stop, and return the episodes that count, of every policy in every world.

    With a ``book``, looks at sealed scenarios and the alpha of a sequential protocol are paid for before the first
    episode, once for each question. Raises `DataError` where less is left in the budget than that, `ConfigError` for
    sealed scenarios without a registry.
    """
    pay(trial, book)
    table = None
    for count in trial.protocol.looks:
        part = trial.scenarios.first(count)
        plan = Plan(part.seeds, trial.length, part.rows, trial.protocol.batch, trial.watts)
        table = trial.protocol.counted(
            evaluate_many(trial.task, trial.policies, trial.worlds, plan, store, place=place, told=told)
        )
        if trial.protocol.stop == "fixed" or trial.protocol.satisfied(_deciding(trial, table)):
            break
    assert table is not None
    return table


def pay(trial: Trial, book: Book | None) -> None:
    """Spend what the trial costs of the registry's budgets, unless it was paid for before."""
    sealed, watched = trial.scenarios.visibility == "sealed", trial.protocol.stop == "sequential"
    if sealed and book is None:
        raise ConfigError("Looks at sealed scenarios are counted in the registry; name one, or take open scenarios.")
    if book is None:
        return
    pairs = len(trial.policies) * len(trial.worlds)
    if sealed:
        _spend(book, scenarios_name(trial.scenarios), float(pairs), QUERIES, trial.key)
    if watched:
        _spend(book, protocol_name(trial.task.name, trial.protocol), pairs * trial.protocol.alpha, ALPHA, trial.key)


def _spend(book: Book, budget: str, amount: float, unit: str, key: str) -> None:
    why = f"evaluation {key[:_SHORT]}"
    entries = [event.entry for balance in book.registry.balances(budget) for event in balance.events]
    # A question that was interrupted, or asked again, has the answer that was paid for.
    if not any(entry.why == why and entry.unit == unit for entry in entries):
        book.registry.spend(budget, PURSE, amount, unit, why)


def _deciding(trial: Trial, table: Episodes) -> list[Estimate]:
    return [trial.protocol.estimate(part, trial.metrics[0]) for _, _, part in _pairs(trial, table)]


def _pairs(trial: Trial, table: Episodes) -> list[tuple[Candidate, World, Episodes]]:
    return [(policy, world, table.of(policy.name, world.name)) for policy in trial.policies for world in trial.worlds]


def told_of(trial: Trial, table: Episodes) -> dict[str, Any]:
    """Everything to say of a trial, as JSON values: each pair, worlds against reality, policies against each other."""
    return {
        "task": trial.task.name,
        "protocol": to_json(trial.protocol),
        "scenarios": {"seeds": len(trial.scenarios.seeds), "visibility": trial.scenarios.visibility},
        "metric": trial.metrics[0],
        "pairs": [_pair(trial, *pair) for pair in _pairs(trial, table)],
        "worlds": list(_across(trial, table)),
        "policies": list(_between(trial, table)),
    }


def _pair(trial: Trial, policy: Candidate, world: World, part: Episodes) -> dict[str, Any]:
    strata = trial.protocol.parts(part)
    varied = sorted(set(trial.scenarios.rows) & set(world.ignores))
    return {
        "policy": policy.name,
        "world": describe(world),
        "ignored": varied,
        "optimised_here": world.version is not None and world.version in policy.trained_in,
        "episodes": len(part),
        "excluded": min(trial.protocol.episodes, len(trial.scenarios.seeds)) - len(part)
        if trial.protocol.stop == "fixed"
        else None,
        "estimates": {name: asdict(trial.protocol.estimate(part, name)) for name in trial.metrics},
        "strata": {name: asdict(trial.protocol.estimate(rows, trial.metrics[0])) for name, rows in strata.items()},
        "cost": cost(part),
        "trust": trust(part),
    }


def trust(part: Episodes) -> dict[str, Any]:
    """How far the world is trusted in these episodes: what that rests on, the mean, and how many are below 0.5."""
    known = part.trust[np.isfinite(part.trust)]
    return {
        "basis": "; ".join(part.trust_basis.values()),
        "mean": float(known.mean()) if known.size else None,
        "low": int((known < TRUSTED).sum()) if known.size else None,
    }


def cost(part: Episodes) -> dict[str, Any]:
    """What the episodes took, each, and for each success; None where it is unknown or nothing succeeded."""
    wins = int(part.success.sum()) if part.judged else 0
    found: dict[str, Any] = {"energy_source": part.energy_source, "successes": wins if part.judged else None}
    for name in ("wall_s", "device_s", "joules"):
        total = float(np.sum(getattr(part, name)))
        known = bool(np.isfinite(total))
        found[name] = total if known else None
        found[f"{name}_per_episode"] = total / len(part) if known else None
        found[f"{name}_per_success"] = total / wins if known and wins else None
    return found


def _across(trial: Trial, table: Episodes) -> list[dict[str, Any]]:
    """Each world against the first one that is real, or else the first: paired by seed."""
    reference = next((world for world in trial.worlds if world.kind == "real"), trial.worlds[0])
    found = []
    for policy in trial.policies:
        against = table.of(policy.name, reference.name)
        for world in trial.worlds:
            if world is not reference:
                found.append(_disagreement(trial, policy.name, table.of(policy.name, world.name), against))
    return found


def _disagreement(trial: Trial, policy: str, here: Episodes, there: Episodes) -> dict[str, Any]:
    metric = trial.metrics[0]
    scored = [part.score(metric) for part in (here, there)]
    ours, theirs = (np.asarray(values, np.float64) for values in scored)
    spread = ours.std() * theirs.std()
    agreement = float(np.mean((ours - ours.mean()) * (theirs - theirs.mean())) / spread) if spread else None
    return {
        "policy": policy,
        "world": str(here.world[0]),
        "against": str(there.world[0]),
        "difference": asdict(intervals.paired_difference(*scored, trial.protocol.level)),
        "agreement": agreement,
        "success_differs": float(np.mean(here.success != there.success)) if here.judged else None,
    }


def _between(trial: Trial, table: Episodes) -> list[dict[str, Any]]:
    """The first policy against each other one, in each world, paired by seed."""
    metric, first, level = trial.metrics[0], trial.policies[0], trial.protocol.level
    found = []
    for world in trial.worlds:
        ours = table.of(first.name, world.name).score(metric)
        for other in trial.policies[1:]:
            theirs = table.of(other.name, world.name).score(metric)
            difference = asdict(intervals.paired_difference(ours, theirs, level))
            found.append({"policy": first.name, "against": other.name, "world": world.name, "difference": difference})
    return found


def scenarios_name(scenarios: ScenarioSet) -> str:
    """The family of a scenario set: its name in the registry and that of its budget."""
    return describing.family(scenarios.task, "scenarios", scenarios.identity[:_SHORT])


def protocol_name(task: str, protocol: Protocol) -> str:
    """The family of a protocol, and the name of its budget."""
    return describing.family(task, "protocol", protocol.identity[:_SHORT])


def scenarios_id(book: Book, scenarios: ScenarioSet, name: str | None = None) -> str:
    """The version of a scenario set; registered where it was not."""
    content = canonical(scenarios)
    fields = {
        "task": scenarios.task,
        "distribution": to_json(scenarios.distribution),
        "visibility": scenarios.visibility,
        "expires": scenarios.expires,
        "seeds": [min(scenarios.seeds), max(scenarios.seeds)],
        "n": len(scenarios.seeds),
    }
    blobs = {SCENARIOS: book.registry.add_blob(content.encode())}
    manifest = Manifest("scenario_set", name or scenarios_name(scenarios), fields, blobs)
    return _same_blob(book, manifest) or book.registry.register(manifest).id


def protocol_id(book: Book, task: str, protocol: Protocol, name: str | None = None) -> str:
    """The version of a protocol; registered where it was not."""
    fields = {"task": task, "protocol": to_json(protocol)}
    manifest = Manifest("protocol", name or protocol_name(task, protocol), fields)
    return book.registry.register(manifest).id


def _same_blob(book: Book, manifest: Manifest) -> str | None:
    """A version of any name with the same scenarios."""
    found = [one for one in book.registry.versions(kind=manifest.kind) if one.manifest.blobs == manifest.blobs]
    return found[-1].id if found else None


def register(book: Book, trial: Trial, table: Episodes) -> list[str]:
    """Register an evaluation of each policy in each world, and a claim of each; the ids of the evaluations."""
    scenarios, protocol = scenarios_id(book, trial.scenarios), protocol_id(book, trial.task.name, trial.protocol)
    made = []
    for policy, world, part in _pairs(trial, table):
        assert policy.version is not None and world.version is not None
        command = {"verb": "evaluate-in", "task": trial.task.name, "length": trial.length, "metric": trial.metrics[0]}
        given = {
            "policy": [policy.version], "world": [world.version], "scenarios": [scenarios], "protocol": [protocol]
        }  # fmt: skip
        with book.recorder(book.action(command, given, part.seed.tolist())) as stage:
            evaluation, claim = manifests(book, trial, policy, world, part, scenarios)
            made.append(stage.output("evaluation", evaluation))
            stage.output("claim", scoring.supported(claim, made[-1]))
            stage.took(taken(part))
    return made


def manifests(
    book: Book, trial: Trial, policy: Candidate, world: World, part: Episodes, scenarios: str
) -> tuple[Manifest, Manifest]:
    """The evaluation of a policy in a world, with its table, and the claim that it supports, at the lowest rung."""
    record = {
        "policy": policy.name,
        "world": world.name,
        "seeds": part.seed.tolist(),
        "length": trial.length,
        "scores": {name: part.score(name).tolist() for name in trial.metrics},
        "estimates": {name: asdict(trial.protocol.estimate(part, name)) for name in trial.metrics},
    }
    name = book.registry.get(policy.version).name
    manifest = scoring.evaluation_manifest(book, record, f"{name}/evaluation", policy.version, world.version, scenarios)
    more: Mapping[str, Any] = {
        "task": trial.task.name,
        "protocol": trial.protocol.identity,
        "in": describe(world),
        "optimised_here": world.version in policy.trained_in,
        "cost": cost(part),
        "trust": trust(part),
    }
    blobs = {**manifest.blobs, EPISODES: book.registry.add_blob(to_parquet(part))}
    made = Manifest(manifest.kind, manifest.name, {**manifest.fields, **more}, blobs, manifest.edges)
    claim = scoring.score_claim(record, trial.metrics[0], f"{name}/claim", (), "L0", f"in {world.family}")
    return made, claim


def taken(part: Episodes) -> Resources:
    """What the episodes took in all."""
    total = float(np.sum(part.joules))
    return Resources(
        wall_s=round(float(part.wall_s.sum()), 6),
        device_s=round(float(part.device_s.sum()), 6),
        joules=round(total, 6) if np.isfinite(total) else None,
        energy_source=part.energy_source if np.isfinite(total) else "none",
        steps=len(part),
    )
