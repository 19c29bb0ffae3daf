"""Status of versions with the path of its cause, worked out from the edges and the log; never stored as truth.

What happened to a version travels to all that rest on it by the rule table (`diorama.registry.rules`), version by
version in topological order. For each trouble a version keeps one mark: the worst status, by the shortest path.
"""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping

from diorama.registry.facts import expires_at
from diorama.registry.graph import Graph
from diorama.registry.records import Advisory, Edge, Version
from diorama.registry.rules import OWN, REGION_RULES, RULES, Kind, Passage, Status, Trouble, after_replay, passes
from diorama.registry.visits import Overlap

_SHORT = 12


@dataclasses.dataclass(frozen=True)
class Mark:
    """What one trouble does to one version: along which edge it came (None: its own), over how many edges."""

    status: Status
    trouble: Trouble
    via: Edge | None
    depth: int


@dataclasses.dataclass(frozen=True)
class Hop:
    """One step of a path: the version and the role in which the version before it rests on it ("" for the first)."""

    id: str
    name: str
    role: str


@dataclasses.dataclass(frozen=True)
class Cause:
    """Why a version is not fresh. ``path`` leads from the version to the one that something happened to.

    ``overlap`` is how much of what the version visited lies in the advisory's region, where that was asked.
    """

    status: Status
    kind: Kind
    sentence: str
    path: tuple[Hop, ...]
    advisory: str = ""
    overlap: Overlap | None = None


@dataclasses.dataclass(frozen=True)
class StatusReport:
    """The status of a version, and its causes, worst first."""

    id: str
    name: str
    kind: str
    status: Status
    causes: tuple[Cause, ...]


class Survey:
    """The marks of all versions in ``ids`` (all of the graph by default), worked out in one pass.

    ``ids`` must hold whatever its members rest on, else troubles from outside are not seen. ``troubles`` replaces what
    the graph says has happened: id to troubles.
    """

    def __init__(
        self,
        graph: Graph,
        ids: Iterable[str] | None = None,
        troubles: Mapping[str, tuple[Trouble, ...]] | None = None,
    ) -> None:
        self.graph = graph
        self.marks: dict[str, dict[str, Mark]] = {}
        for version in graph.order(graph.versions if ids is None else ids):
            own = troubles_of(graph, version) if troubles is None else troubles.get(version, ())
            if marks := self._marks(graph.get(version), own):
                self.marks[version] = marks

    def status(self, version: str) -> Status:
        """The worst of the version's marks, FRESH without any."""
        marks = self.marks.get(version, {}).values()
        return max((mark.status for mark in marks), key=lambda s: s.rank, default=Status.FRESH)

    def report(self, version: str) -> StatusReport:
        """The status with its causes."""
        found = self.graph.get(version)
        marks = sorted(self.marks.get(version, {}).values(), key=_order)
        causes = tuple(self._cause(found, mark) for mark in marks)
        return StatusReport(version, found.name, found.kind, self.status(version), causes)

    def reason(self, version: str) -> str:
        """The sentence of the first cause in the report, without working out the others; "" where it is FRESH."""
        marks = self.marks.get(version, {}).values()
        first = min(marks, key=_order, default=None)
        return "" if first is None else self._sentence(self.graph.get(version), first, self._share(version, first))

    def _marks(self, version: Version, own: Iterable[Trouble]) -> dict[str, Mark]:
        marks = {trouble.key: Mark(OWN[trouble.kind], trouble, None, 0) for trouble in own}
        for edge in version.edges:
            above = self.marks.get(edge.target, {})
            kind = self.graph.get(edge.target).kind if above else ""
            for mark in above.values():
                status = passes(Passage(version, edge, mark.trouble, kind, self.graph.shares), mark.status)
                if status is not None:
                    _keep_worse(marks, Mark(status, mark.trouble, edge, mark.depth + 1))
        return self._replayed(version, marks)

    def _replayed(self, version: Version, marks: dict[str, Mark]) -> dict[str, Mark]:
        left = {}
        for key, mark in marks.items():
            status: Status | None = mark.status
            if mark.trouble.advisory is not None and mark.via is not None:
                replay = self.graph.replay(mark.trouble.advisory.id, version.id)
                status = status if replay is None else after_replay(status, replay.passed == replay.total)
            if status is not None:
                left[key] = mark if status is mark.status else dataclasses.replace(mark, status=status)
        return left

    def _cause(self, version: Version, mark: Mark) -> Cause:
        share = self._share(version.id, mark)
        name = mark.trouble.advisory.id if mark.trouble.advisory is not None else ""
        sentence = self._sentence(version, mark, share)
        return Cause(mark.status, mark.trouble.kind, sentence, self._path(version, mark), name, share)

    def _share(self, version: str, mark: Mark) -> Overlap | None:
        if mark.via is None or RULES[mark.via.role].rule(mark.trouble.kind) not in REGION_RULES:
            return None
        return Passage(self.graph.get(version), mark.via, mark.trouble, "", self.graph.shares).overlap()

    def _sentence(self, version: Version, mark: Mark, share: Overlap | None) -> str:
        return " ".join(filter(None, [mark.trouble.sentence, self._consequence(version, mark, share)]))

    def _path(self, version: Version, mark: Mark) -> tuple[Hop, ...]:
        hops = [Hop(version.id, version.name, "")]
        while mark.via is not None:
            target = mark.via.target
            hops.append(Hop(target, self.graph.get(target).name, mark.via.role))
            mark = self.marks[target][mark.trouble.key]
        return tuple(hops)

    def _consequence(self, version: Version, mark: Mark, share: Overlap | None) -> str:
        if mark.via is None:
            return ""
        rules = RULES[mark.via.role]
        because = share.sentence() if share is not None else rules.why
        middle = f"This {version.kind} {rules.words} {label(self.graph, mark.via.target)}: {because}."
        return f"{middle} {self._regression(version, mark)}".strip()

    def _regression(self, version: Version, mark: Mark) -> str:
        advisory = mark.trouble.advisory
        if advisory is None:
            return ""
        replay = self.graph.replay(advisory.id, version.id)
        if replay is not None:
            return f"Its regression scenarios: {replay.passed} of {replay.total} passed."
        waits = mark.status is Status.SUSPECT and bool(advisory.regressions)
        return "Its regression scenarios have not been replayed on this version." if waits else ""


def _order(mark: Mark) -> tuple[int, int, str]:
    """Worst first, then the nearest."""
    return -mark.status.rank, mark.depth, mark.trouble.key


def status_of(graph: Graph, version: str) -> StatusReport:
    """The status of one version; looks at nothing but what it rests on. Raises `DataError` for an unknown id."""
    return Survey(graph, graph.upstream([version])).report(version)


def status_all(graph: Graph) -> dict[str, Status]:
    """The status of every version, in one pass. For the causes of many, keep the `Survey` and ask it."""
    survey = Survey(graph)
    return {version: survey.status(version) for version in graph.versions}


def troubles_of(graph: Graph, version: str) -> tuple[Trouble, ...]:
    """What the log and the other versions say has happened to this version itself."""
    found = graph.get(version)
    troubles = [advised(graph, version, advisory) for advisory in graph.advised(version)]
    troubles += _replaced(graph, version)
    if version in graph.revocations:
        troubles.append(revoked(graph, version))
    if (end := expires_at(found)) is not None and end <= graph.now:
        day = datetime.datetime.fromtimestamp(end, datetime.UTC).strftime("%Y-%m-%d")
        until = f"held until {day}" if end > 0 else "names an end that cannot be read"
        text = f"{label(graph, version)} {until} and is to be measured again."
        troubles.append(Trouble(Kind.EXPIRED, f"expired {version}", text))
    if found.fields.get("opaque"):
        text = f"{label(graph, version)} was imported; how it was made is not on record."
        troubles.append(Trouble(Kind.UNRECORDED, f"unrecorded {version}", text))
    lost = [target for target in graph.targets(version) if target not in graph]
    if lost:
        text = f"{label(graph, version)} rests on {lost[0][:_SHORT]}, which is not in the registry."
        troubles.append(Trouble(Kind.UNRECORDED, f"lost {version}", text))
    return tuple(troubles)


def advised(graph: Graph, version: str, advisory: Advisory) -> Trouble:
    """The trouble of a version that an advisory names."""
    names = ", ".join(label(graph, one) for one in advisory.fixed_in)
    fixed = f"fixed in {names}" if names else "not fixed yet"
    text = f"Advisory {advisory.id} ({advisory.title}) affects {label(graph, version)}; {fixed}."
    return Trouble(Kind.ADVISED, f"advisory {advisory.id}", text, advisory, frozenset(advisory.fixed_in))


def revoked(graph: Graph, version: str) -> Trouble:
    """The trouble of a version that was revoked."""
    reason = graph.revocations[version] or "no reason given"
    return Trouble(Kind.REVOKED, f"revoked {version}", f"{label(graph, version)} was revoked: {reason.rstrip('.')}.")


def patched(graph: Graph, version: str, patches: Iterable[str], ended_by: Iterable[str] = ()) -> Trouble:
    """The trouble of a version with patches that no advisory explains."""
    names = ", ".join(label(graph, one) for one in patches)
    text = f"{label(graph, version)} was patched by {names}, and no advisory says where they differ."
    return Trouble(Kind.PATCHED, f"patched {version}", text, None, frozenset([*patches, *ended_by]))


def label(graph: Graph, version: str) -> str:
    """A version in a sentence: its family and the beginning of its id."""
    name = f"{graph.versions[version].name} " if version in graph else ""
    return f"{name}{version[:_SHORT]}"


def _replaced(graph: Graph, version: str) -> list[Trouble]:
    explained = {one for advisory in graph.advised(version) for one in advisory.fixed_in}
    patches = graph.patches(version)
    left = [one for one in patches if one not in explained]
    newer = [one for one in graph.successors(version) if one not in explained and one not in patches]
    troubles = [patched(graph, version, left)] if left else []
    if newer:
        text = f"{label(graph, version)} is superseded by {', '.join(label(graph, one) for one in newer)}."
        troubles.append(Trouble(Kind.SUPERSEDED, f"superseded {version}", text))
    return troubles


def _keep_worse(marks: dict[str, Mark], new: Mark) -> None:
    """One mark for each trouble: the worst status, then the shortest way."""
    old = marks.get(new.trouble.key)
    if old is None or (-new.status.rank, new.depth) < (-old.status.rank, old.depth):
        marks[new.trouble.key] = new
