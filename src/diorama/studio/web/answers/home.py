"""The answer that nobody should have to look for: which policy is best, in which world, how surely, what is stale."""

from dataclasses import dataclass

from diorama.registry.rules import Status
from diorama.studio.web.answers.pairs import Paired, Tables
from diorama.studio.web.answers.scores import Score, Standing, of_policy, standings
from diorama.studio.web.answers.versions import Row, newest, row, statuses
from diorama.studio.web.snapshot import Snapshot

_WORLDS, _STALE = 4, 6
_FIRST_KINDS = ("policy", "simulator", "claim", "dataset", "evaluation", "judge", "audit")
_PAST = ("build", "attestation")
_FIRST, _TRIED = 3, 3


@dataclass(frozen=True)
class Best:
    """The best trained policy in one world: who, how surely, and beside whom.

    Scripted policies are references: the best of them leads only where nothing else was tested, and those ``above`` the
    leader are named. ``pair``: the leader minus the runner-up on the same seeds, where there are such. ``surely`` and
    ``words`` say it: a verdict of a few words, and a sentence; ``shown``: whether it is more than an impression.
    """

    standing: Standing
    leader: Score
    runner_up: Score | None
    above: tuple[Score, ...]
    pair: Paired | None
    surely: str
    words: str
    shown: bool


@dataclass(frozen=True)
class Channel:
    """Where a channel points now."""

    name: str
    target: Row
    since: float | int
    reason: str


@dataclass(frozen=True)
class Home:
    """The first page: the best by world, what is stale, where channels point, and how much there is."""

    best: tuple[Best, ...]
    more_worlds: int
    channels: tuple[Channel, ...]
    stale: tuple[Row, ...]
    statuses: dict[str, int]
    counts: dict[str, int]

    @property
    def troubled(self) -> int:
        """How many versions are not FRESH."""
        return sum(count for status, count in self.statuses.items() if status != Status.FRESH)


def home(snapshot: Snapshot, tables: Tables) -> Home:
    """The first page of a registry."""
    return snapshot.once("home", lambda one: _home(one, tables))


def best_in(snapshot: Snapshot, tables: Tables, standing: Standing) -> Best | None:
    """The best policy of one standing; None where nothing there is valid."""
    valid = standing.valid
    if not valid:
        return None
    leader = next((one for one in valid if not one.scripted), valid[0])
    place = valid.index(leader)
    runner_up = next((one for one in valid[place + 1 :] if not one.scripted), None)
    runner_up = runner_up or next(iter(valid[place + 1 :]), None)
    pair = _pair(snapshot, tables, leader, runner_up)
    surely, words, shown = _verdict(standing, leader, runner_up, pair)
    return Best(standing, leader, runner_up, valid[:place], pair, surely, words, shown)


def _home(snapshot: Snapshot, tables: Tables) -> Home:
    found = standings(snapshot)
    best = (best_in(snapshot, tables, standing) for standing in found[:_WORLDS])
    kinds = ("simulator", "policy", "evaluation", "claim", "dataset")
    counts = {kind: len(newest(snapshot, kind)) for kind in kinds}
    channels = tuple(
        Channel(
            name, row(snapshot, snapshot.graph.get(events[-1].entry.version)), events[-1].time, events[-1].entry.reason
        )
        for name, events in sorted(snapshot.graph.channels.items())
        if events[-1].entry.version in snapshot.graph
    )
    shown = tuple(one for one in best if one is not None)
    more = max(0, len(found) - _WORLDS)
    return Home(shown, more, channels, _stale(snapshot), dict(statuses(snapshot)), counts)


def _stale(snapshot: Snapshot) -> tuple[Row, ...]:
    """What most needs work: what channels point at first, then the worst, then the newest."""
    pointed = {events[-1].entry.version for events in snapshot.graph.channels.values()}
    found = [snapshot.graph.get(one) for one in snapshot.survey.marks]
    found = [one for one in found if one.kind not in _PAST]

    def urgency(one) -> tuple:
        rank = snapshot.survey.status(one.id).rank
        place = _FIRST_KINDS.index(one.kind) if one.kind in _FIRST_KINDS else len(_FIRST_KINDS)
        return (one.id not in pointed, place, -rank, -one.sequence)

    return tuple(row(snapshot, one) for one in sorted(found, key=urgency)[:_STALE])


def _pair(snapshot: Snapshot, tables: Tables, leader: Score, runner_up: Score | None) -> Paired | None:
    if runner_up is None or leader.world != runner_up.world:
        return None
    # The newest evaluations may be of other seeds; an earlier one of each may share them.
    ours, theirs = (
        [one for one in of_policy(snapshot, side.policy) if (one.world, one.metric) == (side.world, side.metric)]
        for side in (leader, runner_up)
    )
    for a in ours[:_TRIED]:
        for b in theirs[:_TRIED]:
            pair = tables.paired(snapshot.graph.get(a.id), snapshot.graph.get(b.id), leader.metric)
            if pair is not None:
                return pair
    return None


def _verdict(standing: Standing, leader: Score, other: Score | None, pair: Paired | None) -> tuple[str, str, bool]:
    """A few words, a sentence, and whether being the best is shown."""
    tried = sum(not one.scripted for one in standing.valid)
    if other is None:
        return "alone", "Nothing stands below it here, so this says nothing about being the best.", False
    many = f" The best of {tried} looks better than it is: test it again on fresh seeds." if tried >= _FIRST else ""
    if pair is not None:
        shown = pair.low > 0
        said = "better than" if shown else "not shown to be better than"
        unit = " points" if pair.rate else ""
        ends = f"[{_signed(pair.low, pair.rate)}, {_signed(pair.high, pair.rate)}]"
        figures = f"{_signed(pair.value, pair.rate)}{unit} {ends}"
        words = f"{said.capitalize()} {other.label}: {figures}, paired over {pair.n} episodes on the same seeds."
        return ("shown" if shown else "not shown"), words + many, shown
    apart = leader.low > other.high
    said = "The intervals do not touch" if apart else "The intervals overlap"
    words = f"{said} with those of {other.label}; they were not run on the same seeds, so this is the weaker test."
    return ("likely" if apart else "not shown"), words + many, apart


def _signed(value: float | int, rate: bool) -> str:
    return f"{100 * value:+.0f}" if rate else f"{value:+.3g}"
