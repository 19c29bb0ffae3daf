"""What to do with everything that rests on a version, once another one takes its place: a list in the order of work."""

import dataclasses
import enum
from collections.abc import Callable, Collection
from typing import Any

from diorama.core.errors import DataError
from diorama.registry.costs import (
    NOTHING,
    WITH_EVALUATIONS,
    Cost,
    Flips,
    Total,
    family_cost,
    flips_among,
    newest,
    paired_replays,
    recorded,
    sum_costs,
)
from diorama.registry.graph import Graph
from diorama.registry.records import Version
from diorama.registry.rules import Status, Trouble
from diorama.registry.status import Mark, Survey, advised, label, patched, revoked

_SAME_WORK = {"evaluation": ("evaluates", "evaluated_in", "drawn_from", "judged_by"), "claim": ("supports",)}
"""The roles in which an evaluation or a claim is like another one."""

_ASKED = "It was asked for."


class Action(enum.StrEnum):
    """What is done with one version."""

    KEEP = "keep"
    REPLAY = "replay regression"
    EVALUATE = "re-evaluate"
    FINETUNE = "fine-tune"
    RETRAIN = "retrain"
    COLLECT = "collect again"


@dataclasses.dataclass(frozen=True)
class Step:
    """One version of a plan: its status because of the old version, what to do, why, and what that takes.

    ``cheaper`` is what a fine-tune would take instead of a retraining, None where that is no choice. ``flips`` are the
    expected negative flips of a policy in the new version, None where no paired replay is recorded.
    """

    id: str
    name: str
    kind: str
    status: Status
    action: Action
    reason: str
    cost: Cost
    cheaper: Cost | None = None
    flips: Flips | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """The steps for all that rests on ``old`` now that there is ``new``; what is rested on comes first.

    Builds are left out: they record the past. ``notes`` are sentences about the plan as a whole.
    """

    old: str
    new: str
    steps: tuple[Step, ...]
    total: Total
    notes: tuple[str, ...] = ()

    def chosen(self, *actions: Action) -> tuple[Step, ...]:
        """The steps with one of these actions."""
        return tuple(step for step in self.steps if step.action in actions)


def plan(graph: Graph, old: str, new: str, *, finetune: bool = False, retrain: Collection[str] = ()) -> Plan:
    """What to do downstream of ``old`` when ``new`` takes its place; ``finetune``: where that is a choice, choose it.

    ``retrain``: ids that are made anew even where their status does not ask for it. What was already replaced by
    something free of the old version's troubles is kept, so that a plan that was carried out is empty the next time.
    Raises `DataError` for unknown ids, for ``old`` equal to ``new``, and for ``retrain`` of what does not rest on
    ``old``.
    """
    if graph.get(old).id == graph.get(new).id:
        raise DataError(f"{label(graph, old)} cannot take its own place; name the old and the new version.")
    planner = _Planner(graph, old, new, finetune, frozenset(retrain))
    if strange := planner.retrain - set(planner.order) | planner.retrain & {old, new}:
        raise DataError(f"{label(graph, min(strange))} does not rest on {label(graph, old)}, so no plan retrains it.")
    return planner.plan()


def check_alike(graph: Graph, old: str, new: str) -> None:
    """Raise `DataError` where a version is to be replaced by one of another kind: a slip of whoever named them."""
    kinds = [graph.get(one).kind for one in (old, new)]
    if kinds[0] != kinds[1]:
        sentence = f"{label(graph, old)} ({kinds[0]}) cannot be replaced by {label(graph, new)} ({kinds[1]})"
        raise DataError(f"{sentence}; name two of one kind, for example RUN/world.")


class _Planner:
    def __init__(self, graph: Graph, old: str, new: str, finetune: bool, retrain: frozenset[str]) -> None:
        self.graph, self.old, self.new, self.finetune, self.retrain = graph, old, new, finetune, retrain
        self.order = graph.downstream([old])
        self.survey = Survey(graph, self.order, {old: _troubles(graph, old, new)})
        self.steps: dict[str, Step] = {}
        self.heirs: dict[str, set[str]] = {old: {new}}
        self.families: dict[tuple[str, str], Cost] = {}
        self.tuned: dict[tuple[str, str], Cost] = {}
        self.paired = paired_replays(graph, new)

    def plan(self) -> Plan:
        for version in self.order:
            found = self.graph.get(version)
            if version not in (self.old, self.new) and found.kind != "build":
                self.heirs[version] = self._heirs(found)
                self.steps[version] = self._step(found)
        steps = tuple(self.steps.values())
        return Plan(self.old, self.new, steps, sum_costs(step.cost for step in steps), self._notes())

    def _step(self, version: Version) -> Step:
        status = self.survey.status(version.id)
        action, reason = self._action(version, status)
        flips = flips_among(self.paired, version.id) if version.kind == "policy" else None
        cost = self._cost(version, action)
        optional = action is Action.RETRAIN and _may_finetune(version, status)
        cheaper = self._finetune_cost(version) if optional else None
        return Step(version.id, version.name, version.kind, status, action, reason, cost, cheaper, flips)

    def _action(self, version: Version, status: Status) -> tuple[Action, str]:
        if version.id in self.retrain and not self.heirs[version.id]:
            return Action.FINETUNE if self.finetune and _may_finetune(version, status) else Action.RETRAIN, _ASKED
        if status is Status.FRESH:
            return self._fresh(version)
        if heirs := self.heirs[version.id]:
            return Action.KEEP, f"It was already replaced by {label(self.graph, max(heirs, key=self._age))}."
        marks = self.survey.marks[version.id].values()
        worst = max(marks, key=lambda mark: (mark.status.rank, -mark.depth))
        sentence = self.survey.reason(version.id)
        return _CHOICES.get(version.kind, _keep)(self, version, worst), sentence

    def _fresh(self, version: Version) -> tuple[Action, str]:
        """What is fresh stays, but what measures something that is made anew is measured anew."""
        rebuilt = {Action.RETRAIN, Action.FINETUNE, Action.EVALUATE}
        for edge in version.edges:
            step = self.steps.get(edge.target)
            replaced = step is not None and (step.action in rebuilt or bool(self.heirs[edge.target]))
            if edge.role in ("evaluates", "supports") and replaced:
                if self.heirs[version.id]:
                    break
                return Action.EVALUATE, f"{label(self.graph, edge.target)} is made or measured anew."
        return Action.KEEP, "Nothing that it rests on in this way has changed."

    def _heirs(self, version: Version) -> set[str]:
        """Sound versions that took the place of this one: they say so, or they do the same work on the heirs."""
        heirs = set(self.graph.successors(version.id))
        roles = _SAME_WORK.get(version.kind, ())
        wanted = [(edge.role, self._allowed(edge.target)) for edge in version.edges if edge.role in roles]
        for target in wanted[0][1] if wanted else ():
            for user, _ in self.graph.users(target, wanted[0][0]):
                if user != version.id and self._does(self.graph.get(user), version, wanted):
                    heirs.add(user)
        return {heir for heir in heirs if heir not in self.survey.marks}

    def _age(self, version: str) -> int:
        return self.graph.get(version).sequence

    def _allowed(self, target: str) -> set[str]:
        return self.heirs.get(target) or {target}

    def _does(self, other: Version, version: Version, wanted: list[tuple[str, set[str]]]) -> bool:
        """Whether ``other`` is the same work on the allowed targets: a replay, say, is no heir of an evaluation."""
        edges = {(edge.role, edge.target) for edge in other.edges if edge.role in _SAME_WORK[version.kind]}
        if other.kind != version.kind or _task(other) != _task(version):
            return False
        return {role for role, _ in edges} == {role for role, _ in wanted} and all(
            any((role, target) in edges for target in allowed) for role, allowed in wanted
        )

    def _cost(self, version: Version, action: Action) -> Cost:
        if action is Action.KEEP:
            return NOTHING
        if action is Action.REPLAY:
            return self._replay_cost(version)
        if action is Action.FINETUNE:
            return self._finetune_cost(version)
        if version.kind in ("claim", "audit"):
            return WITH_EVALUATIONS
        own = recorded(self.graph, version.id)
        return own if own.known else self._family_cost(version.kind, version.name)

    def _family_cost(self, kind: str, name: str) -> Cost:
        """Looked up once a plan: many versions below a world may be of one family."""
        if (kind, name) not in self.families:
            self.families[kind, name] = family_cost(self.graph, kind, name)
        return self.families[kind, name]

    def _replay_cost(self, version: Version) -> Cost:
        """Of an evaluation on one of the advisory's regression scenario sets."""
        advisories = [m.trouble.advisory for m in self.survey.marks[version.id].values() if m.trouble.advisory]
        sets = [one for advisory in advisories for one in advisory.regressions if one in self.graph]
        users = [source for one in sets for source, _ in self.graph.users(one, "drawn_from")]
        evaluations = [user for user in users if self.graph.get(user).kind == "evaluation"]
        return newest(self.graph, evaluations, "an evaluation on the same regression scenarios")

    def _finetune_cost(self, version: Version) -> Cost:
        """Looked up once a plan and family, too."""
        key = (version.kind, version.name)
        if key not in self.tuned:
            family = self.graph.family(*key)
            tuned = [v.id for v in family if any(e.attributes.get("relation") == "finetune" for e in v.edges)]
            self.tuned[key] = newest(self.graph, tuned, f"an earlier fine-tune of {version.name}")
        return self.tuned[key]

    def _notes(self) -> tuple[str, ...]:
        left = [a.id for a in self.graph.advised(self.old) if self.new not in a.fixed_in]
        names = f"{label(self.graph, self.new)} is not named as fixed in the advisories {', '.join(left)}."
        return (f"{names} File them again with it in fixed_in if it is.",) if left else ()


def _troubles(graph: Graph, old: str, new: str) -> tuple[Trouble, ...]:
    """What is wrong with the old version, so that the new one takes its place; without a word, that it was patched."""
    found = []
    for advisory in graph.advised(old):
        trouble = advised(graph, old, advisory)
        found.append(dataclasses.replace(trouble, ended_by=trouble.ended_by | {new}))
    if old in graph.revocations:
        found.append(dataclasses.replace(revoked(graph, old), ended_by=frozenset([new])))
    return tuple(found) or (patched(graph, old, [new], graph.patches(old)),)


def _task(version: Version) -> tuple[Any, ...]:
    """What is measured: the last part of a family's name (what stands before it names of what), metric, episodes."""
    fields = version.fields
    return version.name.rsplit("/", 1)[-1], *(fields.get(name) for name in ("metric", "length", "seeds", "n"))


def _keep(planner: _Planner, version: Version, worst: Mark) -> Action:
    return Action.KEEP


def _evaluate(planner: _Planner, version: Version, worst: Mark) -> Action:
    return Action.EVALUATE


def _collect(planner: _Planner, version: Version, worst: Mark) -> Action:
    return Action.COLLECT


def _train(planner: _Planner, version: Version, worst: Mark) -> Action:
    """A policy, a simulator or a judge."""
    advisory = worst.trouble.advisory
    if worst.status is Status.SUSPECT:
        waits = advisory is not None and planner.graph.replay(advisory.id, version.id) is None
        return Action.REPLAY if version.kind == "policy" and waits and advisory.regressions else Action.EVALUATE
    return Action.FINETUNE if planner.finetune and _may_finetune(version, worst.status) else Action.RETRAIN


def _may_finetune(version: Version, status: Status) -> bool:
    """Weights made from revoked things cannot be the start of anything."""
    return version.kind in ("policy", "simulator") and status.rank < Status.INVALID.rank


_CHOICES: dict[str, Callable[[_Planner, Version, Mark], Action]] = {
    "policy": _train,
    "simulator": _train,
    "judge": _train,
    "dataset": _collect,
    "episode": _collect,
    "scenario_set": _collect,
    "evaluation": _evaluate,
    "claim": _evaluate,
    "audit": _evaluate,
    "failure_mode": _evaluate,
}
