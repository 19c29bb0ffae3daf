"""Carrying out a plan: replay, re-evaluate, fine-tune, retrain, each from the command that its build recorded.

A step is done again with the new versions in the place of the old ones. Its action key says whether that was done
before; then what was made is taken, and nothing is computed. A `Maker` does the work that is left.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from diorama.core.errors import DataError
from diorama.registry.actions import Action
from diorama.registry.plan import Action as Do
from diorama.registry.plan import Plan, Step
from diorama.registry.recording import action_of, build_of, find_made, inputs_of, outputs_of
from diorama.registry.records import Replay, Version

if TYPE_CHECKING:
    from diorama.registry.registry import Registry

KEPT, REUSED, MADE, REPLAYED, LEFT = "kept", "reused", "made", "replayed", "left"
"""What became of a step. ``left``: it cannot be done from the record, and the sentence says why."""
_MEASURES = ("evaluation", "claim")


@dataclass(frozen=True)
class Done:
    """One step of a plan after it was carried out. ``new``: the version in its place, "" where there is none."""

    id: str
    name: str
    kind: str
    action: str
    outcome: str
    new: str = ""
    sentence: str = ""


@runtime_checkable
class Maker(Protocol):
    """Does the work of a rebuild; `diorama.recipes.rebuilding` has the one of the recipes."""

    code: str
    """Digest of the code that it does the work with."""
    lock: str
    """Digest of the packages that it does the work with."""

    def refusal(self, action: Action) -> str:
        """Why it cannot do an action again, as a sentence; "" where it can."""

    def make(self, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
        """Do the action that made ``old`` again and register what comes of it; output name to id.

        ``supersedes``: output name to the version that the new one replaces. Raises `DioramaError` where it cannot.
        """

    def replay(self, policy: Version, advisory: str, old: str, new: str) -> Replay:
        """Replay an advisory's regression scenarios on a policy in the new world, paired with the old one."""


def rebuild(
    registry: "Registry",
    plan: Plan,
    maker: Maker,
    *,
    only: Collection[str] = (),
    told: Callable[[Done], None] = lambda done: None,
) -> list[Done]:
    """Carry out a plan in its order. ``only``: ids of the steps to do, with what measures them; () for all.

    ``told`` is called after each step. A step that fails ends the rebuild; the same call goes on from there. Raises
    `DataError` for ``only`` of what the plan has no step for.
    """
    if strange := sorted(set(only) - {step.id for step in plan.steps}):
        found, old = registry.get(strange[0]), registry.get(plan.old)
        raise DataError(
            f"{found.name} {found.id[:12]} does not rest on {old.name} {old.id[:12]}, so it is not rebuilt."
        )
    job = _Job(registry, plan, maker, frozenset(only))
    finished = []
    for step in plan.steps:
        if job.wanted(step):
            finished.append(job.do(step))
            told(finished[-1])
    return finished


class _Job:
    def __init__(self, registry: "Registry", plan: Plan, maker: Maker, only: frozenset[str]) -> None:
        self.registry, self.plan, self.maker, self.only = registry, plan, maker, only
        self.heirs = {plan.old: plan.new}
        self.left: set[str] = set()

    def wanted(self, step: Step) -> bool:
        """Whether a step is asked for: itself, or what it measures."""
        if not self.only or step.id in self.only:
            return True
        measured = step.kind in _MEASURES and build_of(self.registry, step.id)
        return bool(measured) and any(self.only & set(ids) for ids in inputs_of(measured).values())

    def do(self, step: Step) -> Done:
        """One step."""
        done = self._done(step)
        if done.outcome == LEFT:
            self.left.add(step.id)
        return done

    def _done(self, step: Step) -> Done:
        if step.id in self.heirs:
            return _done(step, MADE, self.heirs[step.id], "It was made together with a step before.")
        if step.action is Do.KEEP:
            return self._kept(step)
        if step.action is Do.REPLAY:
            return self._replayed(step)
        if step.action is Do.COLLECT:
            return _done(step, LEFT, sentence="Its episodes have to be collected again; nobody but you can do that.")
        if step.action is Do.EVALUATE and step.kind not in _MEASURES:
            return _done(step, KEPT, step.id, "What measures it is measured anew.")
        return self._again(step)

    def _kept(self, step: Step) -> Done:
        """What a kept version was replaced by before, or itself."""
        if (heir := self._heir(step.id)) is not None:
            self.heirs[step.id] = heir
            return _done(step, REUSED, heir, "It was replaced before.")
        return _done(step, KEPT, step.id)

    def _heir(self, version: str) -> str | None:
        successors = [self.registry.get(source) for source, _ in self.registry.edges(target=version, role="supersedes")]
        newest = max(successors, key=lambda found: found.sequence, default=None)
        return newest.id if newest else None

    def _replayed(self, step: Step) -> Done:
        policy, replays = self.registry.get(step.id), []
        for event in self._advisories():
            replays.append(self.maker.replay(policy, event, self.plan.old, self.plan.new))
            self.registry.append(replays[-1])
        told = [f"{r.advisory}: {r.passed} of {r.total} passed, {r.flips} flipped" for r in replays]
        return _done(step, REPLAYED, step.id, "; ".join(told))

    def _advisories(self) -> list[str]:
        """The advisories on the old version that have regression scenarios."""
        newest = {event.subject: event.entry for event in self.registry.events(type="advisory")}
        return [name for name, entry in newest.items() if self.plan.old in entry.affects and entry.regressions]

    def _again(self, step: Step) -> Done:
        build = build_of(self.registry, step.id)
        if build is None:
            return _done(step, LEFT, sentence="No build says how it was made; make it by hand.")
        if waits := self.left & {target for targets in inputs_of(build).values() for target in targets}:
            return _done(step, LEFT, sentence=f"It was made with {min(waits)[:12]}, which is left.")
        supersedes = outputs_of(build)
        action = self._action(step, build, supersedes)
        if refusal := self.maker.refusal(action):
            return _done(step, LEFT, sentence=refusal)
        made = find_made(self.registry, action.key())
        outcome = MADE if made is None else REUSED
        if made is None:
            made = dict(self.maker.make(action, self.registry.get(step.id), supersedes))
        self.heirs |= {old: made[name] for name, old in supersedes.items() if name in made}
        return _done(step, outcome, self.heirs.get(step.id, ""))

    def _action(self, step: Step, build: Version, supersedes: Mapping[str, str]) -> Action:
        """What its build did, with the new inputs, by the code of today."""
        inputs = {role: tuple(self._newest(one) for one in ids) for role, ids in inputs_of(build).items()}
        inputs |= {"instead_of": tuple(sorted(supersedes.values()))}
        action = action_of(build, inputs=inputs, code=self.maker.code, lock=self.maker.lock)
        if step.kind in _MEASURES:
            return action
        if step.action is Do.FINETUNE:
            return _begun(action, (step.id,), "finetune")
        # What names no relation began where its recipe says, and begins there again.
        return _begun(action, (), "") if action.command.get("relation") else action

    def _newest(self, version: str) -> str:
        return self.heirs.get(version, version)


def _begun(action: Action, begin: tuple[str, ...], relation: str) -> Action:
    """The action begun from these weights, or anew."""
    inputs = {role: ids for role, ids in action.inputs.items() if role != "begin"}
    inputs |= {"begin": begin} if begin else {}
    return replace(action, inputs=inputs, command={**action.command, "relation": relation})


def _done(step: Step, outcome: str, new: str = "", sentence: str = "") -> Done:
    return Done(step.id, step.name, step.kind, str(step.action), outcome, new, sentence)
