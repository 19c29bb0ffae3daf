"""The decision of the gate: step by step, with the cheapest next move where it refuses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from diorama.evaluate.audit import Verdict
from diorama.evaluate.gate.evidence import LEVELS, Evidence, evidence_level
from diorama.evaluate.gate.protocol import Release
from diorama.evaluate.statistics.estimate import Estimate


@dataclass(frozen=True)
class Cost:
    """What a move is expected to take: wall clock [s], energy [J], real trials; None where that is not on record.

    ``basis``: from which record.
    """

    wall_s: float | None = None
    joules: float | None = None
    trials: int = 0
    basis: str = "nothing like it is on record"


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of the policy in one world: rate with its interval, and the verdict of its audit (None: none).

    ``not_run``: the checks of the audit that were not run, and why.
    """

    evaluation: str
    world: str
    structure: str
    rate: Estimate
    verdict: Verdict | None = None
    audit_sentence: str = ""
    not_run: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trials:
    """Real trials of the policy: starts done of each purse, trials that are open, and the planned estimate of success.

    ``failures``: of the discovery purse. ``verdict``, ``not_run``: of the audit of the trials, see `Evaluated`.
    """

    estimation: int
    discovery: int
    open: int
    rate: Estimate | None
    failures: int = 0
    verdict: Verdict | None = None
    evaluation: str = ""
    not_run: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GateFacts:
    """All that the gate looks at.

    ``contract``: faults of the policy against the task's spec, as sentences. ``disputed``: starts on which the worlds
    differ, of ``starts``, of which ``tried`` were tried in reality. ``hidden``: failure modes that every world hides,
    not resolved. ``stale``: why the policy or an evaluation is not fresh, by sentence. ``costs``: by kind of move.
    """

    policy: str
    name: str
    contract: tuple[str, ...]
    worlds: tuple[Evaluated, ...]
    effective: float
    structures: int
    starts: int = 0
    disputed: int = 0
    tried: int = 0
    trials: Trials | None = None
    hidden: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    evidence: Evidence = field(default_factory=lambda: Evidence({}))
    costs: Mapping[str, Cost] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One question of the gate, whether it is answered well, and the answer."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Move:
    """What to do next: a command or a sentence, and its cost."""

    what: str
    command: str
    cost: Cost


@dataclass(frozen=True)
class Decision:
    """The steps in order, the rung that the evidence reaches, and, where one is refused, the cheapest next move.

    ``not_run``: world by world the checks of its audit that were not run, and why.
    """

    policy: str
    name: str
    steps: tuple[Step, ...]
    level: str
    claim: str
    estimate: Estimate | None
    next: Move | None
    not_run: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every step is answered well."""
        return all(step.passed for step in self.steps)


def decide(protocol: Release, facts: GateFacts) -> Decision:
    """Every step, also after one that fails: a release manager sees all that is missing at once."""
    level = evidence_level(facts.evidence)
    steps = tuple(Step(name, *ask(protocol, facts)) for name, ask in STEPS.items())
    steps = (*steps, Step("evidence", *_evidence(protocol, level)))
    failed = [step.name for step in steps if not step.passed]
    moves = [_MOVES[name](protocol, facts) for name in failed]
    estimate = facts.trials.rate if facts.trials else None
    claim, move = _claim(facts, level), _cheapest(moves)
    return Decision(facts.policy, facts.name, steps, level, claim, estimate, move, _not_run(facts))


def _not_run(facts: GateFacts) -> dict[str, Mapping[str, str]]:
    known = {one.world: one.not_run for one in facts.worlds}
    if facts.trials and facts.trials.evaluation:
        known["reality"] = facts.trials.not_run
    return {world: checks for world, checks in known.items() if checks}


def _contract(protocol: Release, facts: GateFacts) -> tuple[bool, str]:
    return (not facts.contract, facts.contract[0] if facts.contract else f"Fits the spec of {protocol.task}.")


def _fresh(protocol: Release, facts: GateFacts) -> tuple[bool, str]:
    return (not facts.stale, facts.stale[0] if facts.stale else "Nothing that it rests on has changed or was revoked.")


def _worlds(protocol: Release, facts: GateFacts) -> tuple[bool, str]:
    enough = len(facts.worlds) >= protocol.worlds and facts.structures >= protocol.structures
    enough = enough and facts.effective >= protocol.effective - 1e-9
    said = f"Tested in {len(facts.worlds)} worlds of {facts.structures} structures that count as {facts.effective:.2f}"
    return enough, f"{said}; asked for {protocol.worlds} of {protocol.structures} that count as {protocol.effective:g}."


def _audit(protocol: Release, facts: GateFacts) -> tuple[bool, str]:
    """Self-evaluation is a label here; whoever gathers the worlds does not count it among them."""
    audited = [(one.world, one.verdict, one.audit_sentence) for one in facts.worlds]
    if facts.trials and facts.trials.evaluation:
        audited.append(("reality", facts.trials.verdict, ""))
    if not audited:
        return False, "There is no evaluation to audit."
    worst = Verdict(protocol.verdict).rank
    bad = [(world, verdict, why) for world, verdict, why in audited if verdict is None or verdict.rank > worst]
    if bad:
        world, verdict, why = bad[0]
        return False, f"The evaluation in {world} is {verdict or 'not audited'}. {why}".strip()
    counts = {verdict: sum(v is verdict for _, v, _ in audited) for verdict in Verdict}
    return True, ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) + "."


def _disagreement(protocol: Release, facts: GateFacts) -> tuple[bool, str]:
    if not facts.starts:
        return False, "The worlds share no starts, so where they differ is not known."
    untried = (facts.disputed - facts.tried) / facts.disputed if facts.disputed else 0.0
    said = f"The worlds differ on {facts.disputed} of {facts.starts} starts, {facts.tried} of them tried in reality."
    return untried <= protocol.disagreement, said


def _estimation(protocol: Release, facts: GateFacts) -> tuple[bool, str]:
    trials = facts.trials
    if trials is None or trials.rate is None or trials.estimation < protocol.estimation:
        done = 0 if trials is None else trials.estimation
        return False, f"{done} of {protocol.estimation} starts of the estimation purse are done."
    rate, asked = trials.rate, f"asked for at least {protocol.least:g} at {protocol.level:.0%}"
    if rate.low >= protocol.least:
        return True, f"Success in reality {rate}; {asked}."
    return False, f"Success in reality {rate} may be lower than {protocol.least:g}; {asked}."


def _discovery(protocol: Release, facts: GateFacts) -> tuple[bool, str]:
    done = facts.trials.discovery if facts.trials else 0
    failures = facts.trials.failures if facts.trials else 0
    said = f"{done} of {protocol.discovery} starts of the discovery purse are done, {failures} failed."
    return done >= protocol.discovery, said


def _hidden(protocol: Release, facts: GateFacts) -> tuple[bool, str]:
    if facts.hidden:
        return False, f"{len(facts.hidden)} failure modes are hidden by every world: {'; '.join(facts.hidden[:3])}."
    return True, "No known failure mode is hidden by every world."


def _evidence(protocol: Release, level: str) -> tuple[bool, str]:
    enough = list(LEVELS).index(level) >= list(LEVELS).index(protocol.evidence)
    return enough, f"The evidence reaches {level} ({LEVELS[level]}); asked for {protocol.evidence}."


STEPS: Mapping[str, Callable[[Release, GateFacts], tuple[bool, str]]] = {
    "contract": _contract,
    "standing": _fresh,
    "worlds": _worlds,
    "audit": _audit,
    "disagreement": _disagreement,
    "estimation": _estimation,
    "discovery": _discovery,
    "hidden modes": _hidden,
}
"""The questions in the order in which they are asked; evidence follows from all of them."""


def _claim(facts: GateFacts, level: str) -> str:
    """What may be said, and not more."""
    if level == "L7" and facts.trials and facts.trials.rate:
        rate = facts.trials.rate
        return f"{facts.name} succeeds in reality in {rate} of the declared starts, at {rate.level:.0%} confidence."
    if facts.worlds:
        rates = ", ".join(f"{one.world} {one.rate}" for one in facts.worlds)
        return f"In worlds, not in reality: {rates}. Evidence {level}: {LEVELS[level]}."
    return "Nothing may be said yet."


def _move(kind: str, what: str, command: str) -> Callable[[Release, GateFacts], Move]:
    def make(protocol: Release, facts: GateFacts) -> Move:
        words = {"policy": facts.policy[:12], "budget": protocol.budget, "n": protocol.estimation}
        return Move(what, command.format(**words), facts.costs.get(kind, Cost()))

    return make


def _trials(purse: str) -> Callable[[Release, GateFacts], Move]:
    def make(protocol: Release, facts: GateFacts) -> Move:
        trials, asked = facts.trials, getattr(protocol, purse)
        if trials is not None and trials.open:
            cost = facts.costs.get("trial", Cost())
            return Move(f"Do the {trials.open} open trials.", f"diorama budget worksheet {protocol.budget}", cost)
        done = getattr(trials, purse) if trials else 0
        more = max(asked - done, 1) if done < asked or purse == "discovery" else 2 * asked
        one = facts.costs.get("trial", Cost())
        wall = None if one.wall_s is None else one.wall_s * more
        joules = None if one.joules is None else one.joules * more
        command = f"diorama budget plan {protocol.budget} {facts.policy[:12]} --{purse} {more}"
        return Move(f"Plan {more} starts of the {purse} purse.", command, Cost(wall, joules, more, one.basis))

    return make


def _audit_move(protocol: Release, facts: GateFacts) -> Move:
    """Where nothing was tested there is nothing to audit; else the first evaluation that refuses is named."""
    tested = [(one.evaluation, one.verdict) for one in facts.worlds]
    if facts.trials and facts.trials.evaluation:
        tested.append((facts.trials.evaluation, facts.trials.verdict))
    if not tested:
        return _MOVES["worlds"](protocol, facts)
    worst = Verdict(protocol.verdict).rank
    bad = next((one for one, verdict in tested if verdict is None or verdict.rank > worst), tested[0][0])
    cost = facts.costs.get("audit", Cost())
    return Move("See what its audit found, and replace the evaluation.", f"diorama audit {bad[:12]}", cost)


_MOVES: Mapping[str, Callable[[Release, GateFacts], Move]] = {
    "contract": _move("train", "Mend the policy's inputs and outputs.", "diorama explain {policy}"),
    "standing": _move("evaluate", "See what changed, and rebuild what rests on it.", "diorama status {policy}"),
    "worlds": _move("evaluate", "Test it in a world of another structure.", "diorama evaluate {policy} --in WORLD"),
    "audit": _audit_move,
    "disagreement": _trials("discovery"),
    "estimation": _trials("estimation"),
    "discovery": _trials("discovery"),
    "hidden modes": _move(
        "resolve", "Show the mode in a world, or mend the policy.", "diorama lineage {policy} --down"
    ),
    "evidence": _trials("estimation"),
}
"""What mends each step."""


def _cheapest(moves: list[Move]) -> Move | None:
    """Real trials are dearest; what has no recorded cost stands behind what has one; first asked, first done."""
    return min(moves, key=_dearness, default=None)


def _dearness(move: Move) -> tuple[int, bool, float]:
    return move.cost.trials, move.cost.wall_s is None, move.cost.wall_s or 0.0
