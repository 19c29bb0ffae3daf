"""Plans of real trials in the registry: made from evaluations in worlds, paid, carried out or handed out, estimated.

A plan is a scenario set ``BUDGET/plan`` with its trials as a blob, a sheet ``BUDGET/sheet`` rests on it, and what comes
back from people stands blinded in versions ``BUDGET/outcomes`` until the key opens it. The trials of a policy are then
an evaluation of it in reality that rests on the plan. JAX-free.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.canonical import canonical, from_json, to_json
from diorama.core.errors import ConfigError, DataError
from diorama.core.files import write_atomically
from diorama.evaluate.budget import Answer, Key, Request, Sheet, TrialPlan, answer, blind, plan_trials, read_key
from diorama.evaluate.budget.blinding import SECRET_BYTES, key_text
from diorama.evaluate.budget.planning import DISCOVERY, ESTIMATION
from diorama.evaluate.budget.worksheet import read_outcomes, sheet_csv, sheet_html, sheet_markdown
from diorama.evaluate.records import EPISODES, Episodes, to_parquet
from diorama.recipes.book import Book
from diorama.recipes.imagined_scores import Imagined, imagined_scores
from diorama.registry.budgets import TRIALS
from diorama.registry.records import Edge, Manifest, Version

PLAN, SHEET = "plan.json", "sheet.json"
_SHORT = 12
_HELD_OUT: Mapping[str, Any] = {"visibility": "held-out", "expires": ""}


@dataclass(frozen=True)
class Planned:
    """A plan, the ids of its policies in the order of the plan, and its version ("" where it was not registered)."""

    plan: TrialPlan
    policies: tuple[str, ...]
    worlds: tuple[str, ...]
    task: str
    version: str = ""


def plan(
    book: Book, budget: str, policies: Sequence[str], counts: Mapping[str, int], *, seed: int, level: float, pay: bool
) -> Planned:
    """Draw the trials of ``counts`` by purse for the policies (ids). ``pay``: register the plan, and pay for it first.

    Raises `ConfigError` where no world has imagined a common start of all, `DataError` where a purse holds too little.
    """
    known: Imagined = imagined_scores(book, policies)
    request = Request(known.seeds, known.scores, known.signals)
    drawn = plan_trials(request, counts[ESTIMATION], counts[DISCOVERY], rng_seed=seed, level=level)
    made = Planned(drawn, tuple(policies), known.worlds, known.task)
    if not pay:
        return made
    manifest = _plan_manifest(book, budget, made, known)
    _pay(book, budget, {purse: drawn.count(purse) * len(policies) for purse in (ESTIMATION, DISCOVERY)})
    version = book.registry.register(manifest)
    return Planned(drawn, made.policies, made.worlds, made.task, version.id)


def newest_plan(book: Book, budget: str) -> Planned:
    """The newest plan of a budget. Raises `DataError` where there is none."""
    found = book.registry.versions(kind="scenario_set", name=f"{budget}/plan", limit=1)
    if not found:
        raise DataError(f"Budget {budget!r} has no plan of trials; make one with `diorama budget plan`.")
    return read_plan(book, found[-1])


def read_plan(book: Book, version: Version) -> Planned:
    """The plan of a version."""
    data = json.loads(book.registry.read_blob(version.manifest.blobs[PLAN]))
    fields = version.fields
    return Planned(
        from_json(TrialPlan, data), tuple(fields["policies"]), tuple(fields["worlds"]), fields["task"], version.id
    )


def make_sheet(book: Book, budget: str, folder: Path, key: Path) -> Sheet:
    """Write the sheet of the newest plan and its key. Raises `ConfigError` where the key would lie with the sheet."""
    planned = newest_plan(book, budget)
    if folder.resolve() in key.resolve().parents:
        raise ConfigError(f"{key} would lie with the sheet; keep the key where whoever does the trials cannot read it.")
    if key.exists() or _sheets(book, planned):
        raise ConfigError(f"The plan {planned.version[:_SHORT]} has a sheet, or {key} exists; a sheet is made once.")
    starts = [trial.seed for trial in planned.plan.trials]
    sheet, made = blind(planned.version, starts, planned.policies, secrets.token_bytes(SECRET_BYTES))
    _write_key(key, made)
    folder.mkdir(parents=True, exist_ok=True)
    title = f"Trials of {budget}"
    for name, text in (
        ("sheet.csv", sheet_csv(sheet)),
        ("sheet.html", sheet_html(sheet, title)),
        ("sheet.md", sheet_markdown(sheet, title)),
    ):
        write_atomically(folder / name, text)
    blobs = {SHEET: book.registry.add_blob(canonical(sheet).encode())}
    fields = {"commitment": sheet.commitment, "digest": sheet.digest, "trials": len(sheet.rows)} | _HELD_OUT
    edges = (Edge("drawn_from", planned.version),)
    book.registry.register(Manifest("scenario_set", f"{budget}/sheet", fields, blobs, edges))
    return sheet


@dataclass(frozen=True)
class Recorded:
    """What came of a record: new outcomes, trials that are open, and evaluations by policy where it was unblinded."""

    new: int
    open: int
    evaluations: Mapping[str, str]


def record(book: Book, budget: str, text: str, key: Path | None) -> Recorded:
    """Record the outcomes in the CSV ``text``; with a key, and no trial open, unblind.

    Raises `DataError` for whatever does not fit the sheet that was handed out, and for a key that comes too early.
    """
    planned = newest_plan(book, budget)
    version = next(iter(_sheets(book, planned)), None)
    if version is None:
        raise DataError(f"No sheet was made of this plan; make one with `diorama budget worksheet {budget}`.")
    sheet = from_json(Sheet, json.loads(book.registry.read_blob(version.manifest.blobs[SHEET])))
    known = _recorded(book, version)
    new = read_outcomes(text, sheet, known)
    left = len(sheet.rows) - len(known) - len(new)
    if key is not None and left:
        raise DataError(f"{left} trials are open; the key is used once, when all are done. Record them without it.")
    opened = None if key is None else read_key(_key_data(key), sheet)
    if new:
        edges = (Edge("drawn_from", version.id),)
        book.registry.register(Manifest("scenario_set", f"{budget}/outcomes", {"outcomes": new} | _HELD_OUT, {}, edges))
    made = {} if opened is None else _unblind(book, planned, sheet, known | new, opened)
    return Recorded(len(new), left, made)


def enter(book: Book, planned: Planned, policy: str, world: str, outcomes: Mapping[int, bool]) -> str:
    """Register the trials of a policy in reality (``outcomes`` by seed) as an evaluation that rests on the plan."""
    registry = book.registry
    seeds = np.array(sorted(outcomes), np.int64)
    success = np.array([bool(outcomes[int(seed)]) for seed in seeds])
    name, count = registry.get(policy).name, len(seeds)
    cause = np.where(success, "success", "failure").astype(object)
    texts = {key: np.full(count, value, object) for key, value in (("item", planned.version), ("policy", policy))}
    table = Episodes(
        **texts,
        world=np.full(count, world, object),
        seed=seeds,
        steps=np.zeros(count, np.int64),
        success=success,
        cause=cause,
        metrics={"success": success.astype(np.float64)},
        rates=("success",),
    )
    place = planned.policies.index(policy)
    found = answer(planned.plan, place, {int(s): int(o) for s, o in zip(seeds, success, strict=True)})
    fields = {
        "task": planned.task,
        "n": count,
        "seeds": [int(seeds.min()), int(seeds.max())],
        "estimates": {"success": to_json(found.powered)},
        "trials": to_json({"correlation": None if np.isnan(found.correlation) else found.correlation} | _beside(found)),
    }
    edges = (Edge("evaluates", policy), Edge("evaluated_in", world), Edge("drawn_from", planned.version))
    blobs = {EPISODES: registry.add_blob(to_parquet(table))}
    return registry.register(Manifest("evaluation", f"{name}/trials", fields, blobs, edges)).id


def trials_of(book: Book, planned: Planned) -> dict[str, Version]:
    """The evaluations of a plan's trials by policy."""
    sources = [source for source, _ in book.registry.edges(target=planned.version, role="drawn_from")]
    found = [one for one in map(book.registry.get, sources) if one.kind == "evaluation"]
    return {edge.target: one for one in found for edge in one.edges if edge.role == "evaluates"}


def answer_of(book: Book, planned: Planned, policy: str) -> Answer | None:
    """What the trials of a policy say; None before they are recorded and unblinded."""
    from diorama.recipes.audit_facts import episode_table

    evaluation = trials_of(book, planned).get(policy)
    if evaluation is None:
        return None
    table = episode_table(book, evaluation)
    outcomes = {int(s): int(o) for s, o in zip(table["seed"], table["success"], strict=True)}
    return answer(planned.plan, planned.policies.index(policy), outcomes)


def open_trials(book: Book, planned: Planned) -> int:
    """How many trials of a plan have no recorded outcome."""
    total = len(planned.plan.trials) * len(planned.policies)
    done = len(trials_of(book, planned)) * len(planned.plan.trials)
    blinded = sum(len(_recorded(book, sheet)) for sheet in _sheets(book, planned))
    return total - max(done, blinded)


def _pay(book: Book, budget: str, costs: Mapping[str, int]) -> None:
    """Spend from both purses or from none. Raises `DataError` where one of them holds too little."""
    held = {one.purse: one.left for one in book.registry.balances(budget) if one.unit == TRIALS}
    if short := [purse for purse, cost in costs.items() if cost > held.get(purse, 0.0)]:
        raise DataError(
            f"The plan costs {costs[short[0]]} trials of the purse {short[0]} of {budget}, which holds "
            f"{held.get(short[0], 0.0):g}; grant more with `diorama budget grant`, or plan fewer starts."
        )
    for purse, cost in costs.items():
        if cost:
            book.registry.spend(budget, purse, float(cost), TRIALS, "a plan of real trials")


def _plan_manifest(book: Book, budget: str, made: Planned, known: Imagined) -> Manifest:
    fields = {
        "policies": list(made.policies),
        "worlds": list(made.worlds),
        "task": made.task,
        **_HELD_OUT,
        "trials": {purse: made.plan.count(purse) for purse in (ESTIMATION, DISCOVERY)},
        "method": made.plan.method,
    }
    blobs = {PLAN: book.registry.add_blob(canonical(made.plan).encode())}
    # Read, not rested on: trials in reality stay true when a world that helped to choose them is patched or revoked.
    edges = tuple(Edge("input", one, {"role": "imagined scores"}) for one in known.evaluations)
    return Manifest("scenario_set", f"{budget}/plan", fields, blobs, edges)


def _beside(found: Answer) -> dict[str, Any]:
    weighted = None if found.weighted is None else to_json(found.weighted)
    return {"saved": found.saved, "alone": to_json(found.alone), "weighted": weighted}


def _sheets(book: Book, planned: Planned) -> list[Version]:
    sources = [source for source, _ in book.registry.edges(target=planned.version, role="drawn_from")]
    return [one for one in map(book.registry.get, sources) if SHEET in one.manifest.blobs]


def _recorded(book: Book, sheet: Version) -> dict[str, int]:
    sources = [source for source, _ in book.registry.edges(target=sheet.id, role="drawn_from")]
    return {trial: int(one) for s in sources for trial, one in book.registry.get(s).fields.get("outcomes", {}).items()}


def _unblind(book: Book, planned: Planned, sheet: Sheet, outcomes: Mapping[str, int], key: Key) -> dict[str, str]:
    by_policy: dict[str, dict[int, bool]] = {}
    for row in sheet.rows:
        by_policy.setdefault(key.letters[row.policy], {})[row.start] = bool(outcomes[row.trial])
    world = _reality(book, planned)
    return {policy: enter(book, planned, policy, world, found) for policy, found in by_policy.items()}


def _reality(book: Book, planned: Planned) -> str:
    """The version that stands for reality where trials were done by people."""
    fields = {"origin": "real", "stands_for": "reality", "contract": {"name": planned.task}}
    return book.registry.register(Manifest("simulator", f"{planned.task or 'task'}/real-trials", fields)).id


def _write_key(path: Path, key: Key) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(key_text(key), encoding="utf-8")


def _key_data(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a key ({error}); give the file that was made with it.") from error
