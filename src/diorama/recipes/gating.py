"""The release gate on a registry: the facts gathered, the decision, the signed claim, the channel moved. JAX-free."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.errors import ConfigError, DataError
from diorama.evaluate.audit import Audit, State, effective_size, overlaps
from diorama.evaluate.audit.ensemble import structures
from diorama.evaluate.gate import (
    LEVELS,
    Cost,
    Decision,
    Evaluated,
    Evidence,
    GateFacts,
    Release,
    Trials,
    decide,
)
from diorama.evaluate.statistics import wilson
from diorama.recipes.audit_facts import Gatherer, episode_table
from diorama.recipes.auditing import audit_evaluation, signing_key
from diorama.recipes.book import Book
from diorama.recipes.budgeting import Planned, answer_of, newest_plan, open_trials, trials_of
from diorama.recipes.gate_record import gate_record
from diorama.recipes.imagined_scores import imagined_scores, world_tests
from diorama.registry.costs import cost_of
from diorama.registry.facts import origin
from diorama.registry.records import ChannelEntry, Edge, Manifest, Version
from diorama.registry.rules import Status
from diorama.registry.status import Survey

_SHORT = 12


@dataclass(frozen=True)
class Gated:
    """The decision, and what was registered of it ("" for none).

    ``record``: the version that keeps the decision, a refusal too; claim, signature, and the channel that was moved.
    """

    decision: Decision
    claim: str = ""
    signed: str = ""
    channel: str = ""
    record: str = ""


def gate(book: Book, policy: str, protocol: Release, *, key: Path | None = None, dry_run: bool = False) -> Gated:
    """Decide on the policy with this id; where it passes, register and sign the claim and move the channel.

    Every evaluation is audited now, and the decision registered, a refusal too; ``dry_run`` registers nothing at all.
    Raises `DataError` for anything but a policy.
    """
    facts = _Facts(book, policy, protocol, register=not dry_run, key=key).gathered()
    decision = decide(protocol, facts)
    if dry_run:
        return Gated(decision)
    if not decision.passed:
        return Gated(decision, record=book.registry.register(gate_record(facts, decision, protocol)).id)
    claim = book.registry.register(_claim(facts, decision, protocol))
    signed, place = "", signing_key(key)
    if place is not None:
        from diorama.registry.signatures import sign

        signed = sign(book.registry, claim.id, place).id
    if protocol.channel:
        reason = f"passed the gate with {decision.level}, claim {claim.id[:_SHORT]}"
        book.registry.append(ChannelEntry(protocol.channel, policy, reason))
    record = book.registry.register(gate_record(facts, decision, protocol, claim.id, protocol.channel))
    return Gated(decision, claim.id, signed, protocol.channel, record.id)


class _Facts:
    """Gathers what the gate looks at; every evaluation is audited once."""

    def __init__(self, book: Book, policy: str, protocol: Release, *, register: bool, key: Path | None) -> None:
        self._book, self._protocol, self._register, self._key = book, protocol, register, key
        self._policy = book.registry.get(policy)
        if self._policy.kind != "policy":
            raise DataError(f"{self._policy.name} is a {self._policy.kind}; the gate lets policies pass.")
        self._audits: dict[str, Audit] = {}

    def gathered(self) -> GateFacts:
        """The facts."""
        book, policy = self._book, self._policy
        tests = world_tests(book, policy.id)
        alone = {world: one for world, one in tests.items() if self._independent(one)}
        worlds = tuple(self._evaluated(world, one) for world, one in alone.items())
        planned = self._planned()
        trials = None if planned is None else self._trials(planned)
        effective, kinds = self._ensemble(alone)
        return GateFacts(
            policy.id,
            policy.name,
            tuple(_faults(policy, [book.registry.get(world) for world in alone])),
            worlds,
            effective,
            kinds,
            **self._disagreement(alone, planned),
            trials=trials,
            hidden=tuple(self._hidden(set(alone))),
            stale=tuple(self._stale([one.id for one in alone.values()], trials)),
            evidence=self._evidence(alone, trials),
            costs=self._costs(alone, trials),
        )

    def _audit(self, evaluation: str) -> Audit:
        if evaluation not in self._audits:
            done = audit_evaluation(self._book, evaluation, key=self._key, register=self._register)
            self._audits[evaluation] = done.audit
        return self._audits[evaluation]

    def _independent(self, test: Version) -> bool:
        """Not a self-evaluation: that cannot support a release."""
        return self._audit(test.id).outcome("C5").state is not State.FOUND

    def _evaluated(self, world: str, test: Version) -> Evaluated:
        success = np.asarray(episode_table(self._book, test)["success"], bool)
        found, audited = self._book.registry.get(world), self._audit(test.id)
        worst = max(audited.findings, key=lambda one: one.severity, default=None)
        return Evaluated(
            test.id,
            found.name,
            "/".join(map(str, found.fields.get("family", ()))) or found.name,
            wilson(int(success.sum()), success.size, self._protocol.level),
            audited.verdict,
            worst.sentence if worst else "",
            audited.not_run,
        )

    def _ensemble(self, tests: Mapping[str, Version]) -> tuple[float, int]:
        if not tests:
            return 0.0, 0
        facts = Gatherer(self._book, {}).facts(next(iter(tests.values())).id)
        parties = [party for party in facts.worlds if party.id in tests]
        return effective_size(overlaps(parties, facts.corpora)), structures(parties)

    def _planned(self) -> Planned | None:
        try:
            planned = newest_plan(self._book, self._protocol.budget)
        except DataError:
            return None
        return planned if self._policy.id in planned.policies else None

    def _trials(self, planned: Planned) -> Trials:
        left = open_trials(self._book, planned)
        found = answer_of(self._book, planned, self._policy.id)
        if found is None:
            return Trials(0, 0, left, None)
        evaluation = trials_of(self._book, planned)[self._policy.id]
        # An interval of a lower level than asked for does not answer.
        rate = found.powered if planned.plan.level >= self._protocol.level else None
        audited = self._audit(evaluation.id)
        return Trials(
            planned.plan.count("estimation"),
            planned.plan.count("discovery"),
            left,
            rate,
            len(found.discovered),
            audited.verdict,
            evaluation.id,
            audited.not_run,
        )

    def _disagreement(self, tests: Mapping[str, Version], planned: Planned | None) -> dict[str, int]:
        try:
            known = imagined_scores(self._book, [self._policy.id], tests)
        except ConfigError:
            return {}
        rows = [k for k, world in enumerate(known.worlds) if world in tests]
        if len(rows) < 2:
            return {}
        differ = {int(s) for s, one in zip(known.seeds, np.ptp(known.scores[0, rows], axis=0) > 0, strict=True) if one}
        done = planned is not None and self._policy.id in trials_of(self._book, planned)
        tried = {trial.seed for trial in planned.plan.trials} if planned is not None and done else set()
        return {"starts": len(known.seeds), "disputed": len(differ), "tried": len(differ & tried)}

    def _hidden(self, worlds: set[str]) -> Iterator[str]:
        """Failure modes that are hidden by every world and not resolved."""
        registry = self._book.registry
        for mode in registry.versions(kind="failure_mode"):
            hides = {edge.target for edge in mode.edges if edge.role == "hidden_by"}
            replaced = registry.edges(target=mode.id, role="supersedes")
            if worlds and worlds <= hides and not replaced and not mode.fields.get("resolved"):
                yield str(mode.fields.get("label", mode.name))

    def _stale(self, tests: list[str], trials: Trials | None) -> Iterator[str]:
        """Causes why the policy or its evaluations must not be relied on; a patch elsewhere makes them only suspect."""
        asked = [self._policy.id, *tests, *([trials.evaluation] if trials and trials.evaluation else [])]
        graph = self._book.registry.graph(asked)
        survey = Survey(graph, graph.upstream(asked))
        for one in asked:
            report = survey.report(one)
            if report.status in (Status.STALE, Status.INVALID):
                yield f"{report.kind} {report.name} is {report.status}: {report.causes[0].sentence}"

    def _evidence(self, tests: Mapping[str, Version], trials: Trials | None) -> Evidence:
        registry = self._book.registry
        trained = [edge.target for edge in self._policy.edges if edge.role == "trained_in"]
        done = bool(trials and trials.rate and not trials.open)
        sound = bool(trials and trials.verdict and str(trials.verdict) in ("clean", "labelled"))
        return Evidence(
            {world: self._claimed(world) for world in tests},
            any(origin(registry.get(one)) in ("learned", "hybrid") for one in trained),
            bool(trials and trials.evaluation),
            done and bool(trials and trials.estimation),
            sound,
        )

    def _claimed(self, world: str) -> str:
        """The highest rung of a claim that rests on an exam of this world; L0 without one."""
        registry = self._book.registry
        exams = [source for source, _ in registry.edges(target=world, role="evaluates")]
        claims = [registry.get(s) for exam in exams for s, _ in registry.edges(target=exam, role="supports")]
        said = [str(claim.fields.get("evidence_level", "L0")) for claim in claims]
        return max((one for one in said if one in LEVELS), default="L0")

    def _costs(self, tests: Mapping[str, Version], trials: Trials | None) -> dict[str, Cost]:
        """What earlier evaluations took, by their builds; a trial by those of reality."""
        found = {"audit": Cost(1.0, None, 0, "audits only read the registry")}
        graph = self._book.registry.graph([one.id for one in tests.values()], down=True)
        known = [cost_of(graph, one.id) for one in tests.values()]
        if timed := [cost for cost in known if cost.wall_s is not None]:
            last = timed[-1]
            found["evaluate"] = Cost(last.wall_s, last.joules, 0, last.basis)
        if trials and trials.evaluation:
            test = self._book.registry.get(trials.evaluation)
            taken = cost_of(self._book.registry.graph([test.id], down=True), test.id)
            if taken.wall_s is not None:
                count = max(int(test.fields.get("n", 1)), 1)
                found["trial"] = Cost(taken.wall_s / count, None, 1, taken.basis)
        return found


def _faults(policy: Version, worlds: list[Version]) -> Iterator[str]:
    """Where the contract of a policy and that of a world do not fit."""
    mine: Mapping[str, Any] = policy.fields.get("contract", {})
    for world in worlds:
        theirs: Mapping[str, Any] = world.fields.get("contract", {})
        shown = theirs.get("observation")
        for name, spec in (mine.get("observation") or {}).items():
            if shown is not None and (name not in shown or shown[name].get("shape") != spec.get("shape")):
                yield f"The policy sees {name!r} of shape {spec.get('shape')}, which {world.name} does not show."
        for name in ("action", "control_period"):
            if name in mine and name in theirs and _form(mine[name]) != _form(theirs[name]):
                yield f"The {name.replace('_', ' ')} of the policy is not that of {world.name}."


def _form(value: Any) -> Any:
    """What must agree of an array: its shape, unit and bounds."""
    if not isinstance(value, Mapping):
        return value
    return {k: value.get(k) for k in ("shape", "unit")} | {k: _bound(value.get(k)) for k in ("low", "high")}


def _bound(value: Any) -> Any:
    """A bound as one number where it is the same for every entry: 60 and [60, 60] bound alike."""
    return value[0] if isinstance(value, list | tuple) and value and all(v == value[0] for v in value) else value


def _claim(facts: GateFacts, decision: Decision, protocol: Release) -> Manifest:
    rate = decision.estimate
    fields: dict[str, Any] = {
        "estimand": f"success in reality over the declared starts of {protocol.task!r}",
        "evidence_level": decision.level,
        "says": decision.claim,
        "policy": facts.name,
        "protocol": asdict(protocol),
    }
    if rate is not None:
        fields |= {"estimate": rate.value, "interval": [rate.low, rate.high], "n": rate.count, "method": rate.method}
    rests = [one.evaluation for one in facts.worlds]
    rests += [facts.trials.evaluation] if facts.trials and facts.trials.evaluation else []
    return Manifest("claim", f"{facts.name}/release", fields, {}, tuple(Edge("supports", one) for one in rests))
