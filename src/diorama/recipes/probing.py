"""Runs for an audit: new starts (C11), disturbed factors (C12), a blind policy and replayed training episodes (C13).

Everything is played in the world of the evaluation. A sealed set is not looked at again: there C12 and C13 play on the
new starts of C11. What cannot be played is said with its reason, and nothing is assumed in its place.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from diorama.core import Trajectory
from diorama.core.canonical import from_json
from diorama.core.errors import ConfigError, DioramaError
from diorama.evaluate.audit.facts import Probe
from diorama.evaluate.audit.measuring import drop, gain, slope
from diorama.evaluate.preregistered import Protocol
from diorama.evaluate.records import EPISODES as TABLE
from diorama.evaluate.records import Episodes, read_episodes
from diorama.evaluate.running import Store
from diorama.evaluate.scenarios import ScenarioSet, draw
from diorama.evaluate.statistics.estimate import Estimate
from diorama.exam.exploitation.stage import Stage
from diorama.policies.sightless import sightless
from diorama.recipes.audit_facts import evaluated_seeds
from diorama.recipes.audit_starts import task_name
from diorama.recipes.auditing import probe_manifest, tested
from diorama.recipes.book import Book
from diorama.recipes.candidates import Candidate, find_candidate
from diorama.recipes.evaluating import Plan, evaluate_many
from diorama.recipes.exploiting import stage_of
from diorama.recipes.modelling import pictures_of
from diorama.recipes.nearest import nearest_actions
from diorama.recipes.tasks import Task, find_task
from diorama.recipes.worlds import World, find_world
from diorama.registry.records import Version

CHECKS = ("C11", "C12", "C13")
RUN = "run"
"""What is missing where a whole check was not run."""
SCENARIOS, _PLAN = "scenarios.json", "plan.json"
_DISTURBED, _DONORS = 0x9E57, 0xB1D
Told = Callable[[str, int, int], None]
"""Told the check, how much of it is done, and of how much."""
Kind = TypeVar("Kind", Candidate, World)
Measured = tuple[dict[str, Estimate], dict[str, str]]
"""Measures by name, and what is missing with the reason."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What an evaluation was about, as it can be played here.

    ``played``: the evaluated starts; ``fresh``: as many new ones as were asked for, by the same distribution and the
    same rules of exclusion. ``scores``: what was recorded of the evaluated starts, all of them [N]. ``metric``: what is
    compared, the one that decided. ``axes``: the factors to disturb, () for all.
    """

    task: Task
    policy: Candidate
    world: World
    length: int
    metric: str
    played: ScenarioSet
    fresh: ScenarioSet
    scores: np.ndarray
    protocol: Protocol
    axes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.axes) - set(self.factors)):
            raise ConfigError(f"{self.task.name} has no factors {unknown} to disturb; it has {list(self.factors)}.")

    @property
    def factors(self) -> tuple[str, ...]:
        """The factors of variation of the task."""
        return tuple(sorted(self.task.env().spec.scenario.factors))

    @property
    def starts(self) -> ScenarioSet:
        """The starts of C12 and C13: those that were evaluated, or new ones where these are sealed."""
        return self.fresh if self.played.visibility == "sealed" else self.played.first(len(self.fresh.seeds))

    def scored(self, trajectory: Trajectory) -> np.ndarray:
        """The metric of each episode [N]."""
        values = np.asarray(self.task.metrics[self.metric](trajectory))
        return values if values.dtype == bool else values.astype(np.float64)


def probe(
    book: Book,
    evaluation: str,
    *,
    episodes: int,
    store: Store,
    policy: Candidate | str | None = None,
    world: World | str | None = None,
    axes: tuple[str, ...] = (),
    register: bool = True,
    told: Told | None = None,
) -> tuple[Probe, ...]:
    """Play for the checks C11 to C13 of the evaluation with this id, ``episodes`` for each condition, and attach it.

    ``policy``, ``world``: where they are found, if the registry does not keep them. ``axes``: see `Ground`. Raises
    `DataError` where it is no evaluation of a policy in a world, `ConfigError` for axes that are none and where what is
    named is not what was evaluated; everything else that hinders a check is in its result.
    """
    found = tested(book, evaluation)

    def results() -> dict[str, Measured]:
        try:
            ground = replace(_ground(book, found, episodes, policy, world), axes=axes)
        except _UnplayableError as error:
            return {check: ({}, {RUN: str(error)}) for check in CHECKS}
        runs = _Runs(book, found, ground, store, told or (lambda *_: None))
        return {check: _tried(ask) for check, ask in runs.checks.items()}

    if not register:
        return tuple(Probe(check, "", *measured) for check, measured in results().items())
    command = {"verb": "audit", "probe": list(CHECKS), "episodes": episodes, "axes": list(axes)}
    with book.recorder(book.action(command, {"evaluation": [evaluation]})) as stage:
        made = {
            check: Probe(check, stage.output(check, probe_manifest(found, check, *one, {"episodes": episodes})), *one)
            for check, one in results().items()
        }
    return tuple(made.values())


class _UnplayableError(DioramaError):
    """Why nothing of an evaluation can be played here."""


def _tried(ask: Callable[[], Measured]) -> Measured:
    """A check, or why it could not be run."""
    try:
        return ask()
    except DioramaError as error:
        return {}, {RUN: str(error)}


class _Runs:
    """The three checks on one ground."""

    def __init__(self, book: Book, evaluation: Version, ground: Ground, store: Store, told: Told) -> None:
        self._book, self._evaluation, self._ground = book, evaluation, ground
        self._store, self._told = store, told
        self.checks = {"C11": self.resampled, "C12": self.perturbed, "C13": self.shortcuts}

    def resampled(self) -> Measured:
        """C11: the recorded scores against those of new starts."""
        return {"drop": drop(self._ground.scores, self._score("C11", self._ground.fresh))}, {}

    def perturbed(self) -> Measured:
        """C12: one factor after the other, from where it stood to anywhere in its range."""
        ground, space = self._ground, self._ground.world.env.spec.scenario
        known, deaf = ground.axes or ground.factors, set(ground.world.ignores)
        if not known:
            return {}, {RUN: f"{ground.task.name} has no factors of variation to disturb."}
        heard = [name for name in known if name in space.factors and name not in deaf]
        missing = {name: f"{ground.world.name} cannot be told this." for name in known if name not in heard}
        measures, before = {}, None
        for number, name in enumerate(heard):
            self._told("C12", number, len(heard))
            moved, size = disturbed(ground, name)
            if not np.isfinite(size).all() or not size.any():
                missing[name] = "Its range is not bounded, or a single value."
                continue
            before = self._score("C12", ground.starts) if before is None else before
            change = self._score("C12", moved).astype(np.float64) - before
            measures[f"slope: {name}"] = slope(change, size, before.dtype == bool)
        self._told("C12", len(heard), len(heard))
        return measures, missing

    def shortcuts(self) -> Measured:
        """C13: the policy against its own actions of other starts, itself without pictures, and training episodes."""
        ground, starts = self._ground, self._ground.starts
        stage = self._stage
        self._told("C13", 0, 3)
        actor = ground.policy.make(ground.world.env.spec)
        played = stage.play(actor)
        ours, actions = ground.scored(played), np.asarray(played.action)
        measures, missing = {}, {}
        self._told("C13", 1, 3)
        if len(starts.seeds) < 2:
            missing["blind"] = "A blind policy needs two starts: it acts as the policy did at another one."
        else:
            measures["gain over blind"] = gain(ours, ground.scored(stage.follow(actions[_donors(len(actions))])))
        if pictures := tuple(pictures_of(ground.world.env.spec)):
            dark = stage.play(sightless(actor, pictures))
            if np.array_equal(np.asarray(dark.action), actions):
                missing["pictures"] = "It acts the same when all pictures are grey: it looks at none."
            else:
                measures["gain over no pictures"] = gain(ours, ground.scored(dark))
        self._told("C13", 2, 3)
        try:
            taught = nearest_actions(self._book, self._evaluation, ground.world, starts, actions)
            measures["gain over replay"] = gain(ours, ground.scored(stage.follow(taught)))
        except DioramaError as error:
            missing["replay"] = str(error)
        self._told("C13", 3, 3)
        return measures, missing

    @cached_property
    def _stage(self) -> Stage:
        ground, starts = self._ground, self._ground.starts
        known = ground.world.env.spec.scenario.factors
        scenario = {name: np.asarray(rows, np.float32) for name, rows in starts.rows.items() if name in known}
        return stage_of(ground.world, np.asarray(starts.seeds, np.int64), ground.length, scenario)

    def _score(self, check: str, starts: ScenarioSet) -> np.ndarray:
        ground = self._ground
        plan = Plan(starts.seeds, ground.length, starts.rows)

        def told(done: int, of: int) -> None:
            if check == "C11":
                self._told(check, done, of)

        table = evaluate_many(ground.task, [ground.policy], [ground.world], plan, self._store, told=told)
        return ground.protocol.counted(table).score(ground.metric) if check == "C11" else table.score(ground.metric)


def disturbed(ground: Ground, name: str) -> tuple[ScenarioSet, np.ndarray]:
    """The starts of C12 with a factor drawn from its whole range, and how far it was moved, [N] in [0, 1].

    1 is the farther end of the range, seen from where the factor stood; of a vector the mean over its entries.
    """
    starts, factor = ground.starts, ground.world.env.spec.scenario.factors[name]
    low, high = factor.spec.bounds()
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return starts, np.full(len(starts.seeds), np.inf)
    drawn = [np.random.default_rng([seed, _DISTURBED, *name.encode()]).uniform(low, high) for seed in starts.seeds]
    moved = np.asarray(drawn, np.float32)
    stood = np.broadcast_to(np.asarray(starts.rows.get(name, factor.default), np.float64), moved.shape)
    reach = np.maximum(np.maximum(stood - low, high - stood), 1e-12)
    size = (np.abs(moved - stood) / reach).reshape(len(moved), -1).mean(axis=1)
    rows = {**starts.rows, name: tuple(row.tolist() for row in moved)}
    return ScenarioSet(starts.task, starts.seeds, starts.distribution, rows), size


def _ground(
    book: Book, evaluation: Version, episodes: int, policy: Candidate | str | None, world: World | str | None
) -> Ground:
    """Raises `_UnplayableError` where policy or world cannot be had here, `ConfigError` where others are named."""
    one = {edge.role: edge.target for edge in evaluation.edges}
    try:
        task = find_task(task_name(book, evaluation))
        if "trials" in evaluation.fields:
            raise ConfigError("These are real trials, which a purse pays for; probe an evaluation in a world.")
        actor = _found(book, policy, one["evaluates"], lambda word: find_candidate(task, word, book=book))
        place = _found(book, world, one["evaluated_in"], lambda word: find_world(task, word, book=book))
        played, protocol = _evaluated(book, evaluation, task, place), _protocol(book, evaluation)
        metric = (protocol.metrics or (task.headline,))[0]
        fresh = _fresh(evaluation, played, task, protocol, episodes)
        length = int(evaluation.fields.get("length", task.length))
        scores = _recorded(book, evaluation, metric)
        return Ground(task, actor, place, length, metric, played, fresh, scores, protocol)
    except _OtherError as error:
        raise ConfigError(str(error)) from error
    except DioramaError as error:
        raise _UnplayableError(str(error)) from error


class _OtherError(DioramaError):
    """What was named is not what was evaluated."""


def _found(book: Book, given: Kind | str | None, version: str, find: Callable[[str], Kind]) -> Kind:
    """What was evaluated: as given, by the word that was given, or by its version."""
    found = find(given or version) if isinstance(given, str) or given is None else given
    if found.version != version:
        known = book.registry.get(version)
        raise _OtherError(
            f"{found.name} is not what was evaluated, {known.kind} {known.name} ({version[:12]}); name that."
        )
    return found


def _evaluated(book: Book, evaluation: Version, task: Task, world: World) -> ScenarioSet:
    """The evaluated starts, with the distribution that they were drawn from."""
    seeds = tuple(evaluated_seeds(book, evaluation))
    if not seeds:
        raise ConfigError(f"{evaluation.name} does not say which seeds it played.")
    target = next((edge.target for edge in evaluation.edges if edge.role == "drawn_from"), None)
    drawn = None if target is None else book.registry.get(target)
    if drawn is not None and SCENARIOS not in drawn.manifest.blobs:
        raise ConfigError(f"Its starts are those of {drawn.kind} {drawn.name}, from which none can be drawn anew.")
    if drawn is None:
        if world.imagined and "task" not in evaluation.fields:
            raise ConfigError("Its episodes began at rows of a dataset; evaluate with --in, and probe that.")
        return ScenarioSet(task.name, seeds)
    whole = from_json(ScenarioSet, json.loads(book.registry.read_blob(drawn.manifest.blobs[SCENARIOS])))
    place = {seed: number for number, seed in enumerate(whole.seeds)}
    rows = {name: tuple(values[place[seed]] for seed in seeds) for name, values in whole.rows.items()}
    return ScenarioSet(task.name, seeds, whole.distribution, rows, whole.visibility)


def _fresh(evaluation: Version, played: ScenarioSet, task: Task, protocol: Protocol, count: int) -> ScenarioSet:
    """New starts of the same distribution. Their seeds lie in the upper half of all, where no command draws from."""
    rng = np.random.default_rng(int(evaluation.id[:16], 16))
    known = set(played.seeds)
    drawn = (2**31 + rng.choice(2**31, count + len(known), replace=False)).tolist()
    seeds = [seed for seed in drawn if seed not in known][:count]
    ranges: Mapping = {name: (low, high) for name, (low, high) in played.distribution.items()}
    return draw(task.env().spec.scenario, task.name, seeds, ranges)


def _protocol(book: Book, evaluation: Version) -> Protocol:
    """The protocol of an evaluation, for what it excludes; one that excludes nothing where it had none."""
    asked = evaluation.fields.get("protocol")
    for version in book.registry.versions(kind="protocol") if asked else ():
        known = from_json(Protocol, version.fields["protocol"])
        if known.identity == asked:
            return known
    return Protocol()


def _recorded(book: Book, evaluation: Version, metric: str) -> np.ndarray:
    """What is on record of a metric [N]. Raises `ConfigError` where nothing is."""
    blobs = evaluation.manifest.blobs
    if TABLE in blobs:
        table: Episodes = read_episodes(book.registry.read_blob(blobs[TABLE]))
        return table.score(metric)
    held = json.loads(book.registry.read_blob(blobs["episodes.json"])) if "episodes.json" in blobs else {}
    if metric not in held:
        raise ConfigError(f"{evaluation.name} records no {metric!r} of its episodes; evaluate again with --in.")
    return np.asarray(held[metric])


def _donors(count: int) -> np.ndarray:
    """Whose actions each blind episode plays [N]: another's, everybody's once."""
    order = np.random.default_rng(_DONORS).permutation(count)
    found = np.empty(count, int)
    found[order] = np.roll(order, 1)
    return found
