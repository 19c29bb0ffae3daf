"""Policies in many worlds: work items of some episodes each, done once, anywhere, and gathered into one table.

The key of an item is the digest of what its outcome depends on: policy, world, task, seeds, length, scenario, the code
of Diorama and the installed packages. Every world and policy meets the same seeds, so that all comparisons are paired.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from diorama.core import Trajectory
from diorama.core.canonical import canonical, digest, from_json
from diorama.evaluate import run_episodes
from diorama.evaluate.executors import Place, find_place
from diorama.evaluate.records import Episodes, join, read_episodes, texts, to_parquet
from diorama.evaluate.running import Store, Told, run_items
from diorama.recipes.candidates import Candidate, find_candidate
from diorama.recipes.lessons import Lesson
from diorama.recipes.tasks import Task, find_task
from diorama.recipes.trusting import Trusted, trusted
from diorama.recipes.worlds import World, find_world
from diorama.registry.actions import code_digest, lock_digest
from diorama.registry.energy import open_counter
from diorama.registry.resources import Resources, Stopwatch

BATCH = 50
"""Episodes of an item, that run side by side."""
SUCCESS, ENDED, TIME = "success", "ended", "time"
"""Why an episode ended: by success, without it, or because no steps were left."""
HERE = find_place("here")


@dataclass(frozen=True)
class Item:
    """Some episodes of one policy in one world.

    ``policy``, ``world``, ``task``: addresses, where this machine finds them; ``names``: what the table calls policy
    and world. ``scenario``: factor to a row for each seed, for those that are not at their default. ``made_of``: the
    digests that the key stands for; the addresses and the names are not among them. ``lesson``, ``untaught``: of the
    world, see `World`.
    """

    policy: str
    world: str
    task: str
    names: tuple[str, str]
    seeds: tuple[int, ...]
    length: int
    scenario: Mapping[str, Any] = field(default_factory=dict)
    made_of: Mapping[str, str] = field(default_factory=dict)
    watts: float | None = None
    lesson: Lesson | None = None
    untaught: str = ""

    @property
    def key(self) -> str:
        """The digest of what the outcome depends on."""
        return digest([dict(self.made_of), self.task, self.seeds, self.length, dict(self.scenario)])


@dataclass(frozen=True)
class Plan:
    """What to run: seeds, steps of an episode, and the factors of variation of each seed (see `Item.scenario`)."""

    seeds: tuple[int, ...]
    length: int
    scenario: Mapping[str, Any] = field(default_factory=dict)
    batch: int = BATCH
    watts: float | None = None


def items_of(
    task: Task, policies: Sequence[Candidate], worlds: Sequence[World], plan: Plan
) -> dict[tuple[str, str], list[Item]]:
    """The items of each pair of a policy and a world, by their names."""
    made = {"code": code_digest(), "packages": lock_digest()}
    found: dict[tuple[str, str], list[Item]] = {}
    for policy in policies:
        for world in worlds:
            names = (policy.name, world.name)
            whole = Item(policy.address, world.address, task.name, names, plan.seeds, plan.length, plan.scenario)
            digests = {"policy": policy.digest, "world": world.digest}
            digests |= {"lesson": world.lesson.version} if world.lesson else {}
            whole = replace(whole, made_of=made | digests, watts=plan.watts, lesson=world.lesson)
            whole = replace(whole, untaught=world.untaught)
            found[names] = list(_parts(whole, plan.batch))
    return found


def _parts(item: Item, batch: int) -> Iterable[Item]:
    for first in range(0, len(item.seeds), batch):
        rows = slice(first, first + batch)
        scenario = {name: tuple(values[rows]) for name, values in item.scenario.items()}
        yield replace(item, seeds=item.seeds[rows], scenario=scenario)


def evaluate_many(
    task: Task,
    policies: Sequence[Candidate],
    worlds: Sequence[World],
    plan: Plan,
    store: Store,
    *,
    place: Place = HERE,
    told: Told | None = None,
) -> Episodes:
    """Every policy in every world on the same seeds: the table of all episodes, policy by policy and world by world.

    Finished items are kept in ``store`` and never done again; see `run_items` for what an interruption and a killed
    worker cost. Raises what a policy or a world raises.
    """
    items = [item for part in items_of(task, policies, worlds, plan).values() for item in part]
    run_items({item.key: canonical(item) for item in items}, run_item, place, store, told=told)
    return join(_named(read_episodes(store.get(item.key)), item) for item in items)


def run_item(text: str) -> bytes:
    """Do an item, given as canonical JSON, in any process: its table of episodes as Parquet."""
    item = from_json(Item, json.loads(text))
    task = find_task(item.task)
    world = find_world(task, item.world)
    policy = find_candidate(task, item.policy).make(world.env.spec)
    seeds, scenario = np.asarray(item.seeds, np.int64), _scenario(world, item)
    watch = _stopwatch(item.watts)
    trajectory = run_episodes(world.env, policy, seeds, item.length, scenario)
    taken = watch.stop(len(seeds))
    trust = trusted(world.kind, item.lesson, item.untaught, trajectory, world.env.spec, item.length)
    return to_parquet(scored(task, item, trajectory, taken, trust))


def scored(task: Task, item: Item, trajectory: Trajectory, taken: Resources, trust: Trusted) -> Episodes:
    """The table of an item's trajectory [N, ...]; costs are shared among its episodes alike."""
    scores = {name: np.asarray(metric(trajectory)) for name, metric in task.metrics.items()}
    count = len(item.seeds)
    success = scores[task.success] if task.success else np.zeros(count, bool)
    ended = np.asarray(trajectory.end).any(axis=-1)
    return Episodes(
        texts(item.key, count),
        texts(item.names[0], count),
        texts(item.names[1], count),
        np.asarray(item.seeds, np.int64),
        np.asarray(trajectory.mask).sum(axis=-1).astype(np.int64),
        success,
        np.where(success, SUCCESS, np.where(ended, ENDED, TIME)).astype(object),
        {name: values.astype(np.float64) for name, values in scores.items()},
        _factors(item),
        trust.values,
        np.full(count, taken.wall_s / count),
        np.full(count, taken.device_s / count),
        np.full(count, math.nan if taken.joules is None else taken.joules / count),
        tuple(sorted(name for name, values in scores.items() if values.dtype == bool)),
        bool(task.success),
        taken.energy_source,
        {item.names[1]: trust.basis},
    )


def _named(episodes: Episodes, item: Item) -> Episodes:
    """The table under today's names: an item that was done before may have been asked for by others."""
    count = len(episodes)
    policy, world = (texts(name, count) for name in item.names)
    basis = dict.fromkeys(item.names[1:], "; ".join(episodes.trust_basis.values()))
    return replace(episodes, policy=policy, world=world, trust_basis=basis)


def _scenario(world: World, item: Item) -> dict[str, np.ndarray]:
    """What can be told to this world of the scenario, a row for each seed."""
    known = world.env.spec.scenario.factors
    return {name: np.asarray(rows, np.float32) for name, rows in item.scenario.items() if name in known}


def _factors(item: Item) -> dict[str, np.ndarray]:
    """The varied factors as columns; an entry of a vector is one column."""
    found = {}
    for name, rows in item.scenario.items():
        flat = np.asarray(rows, np.float64).reshape(len(item.seeds), -1)
        single = np.ndim(rows) == 1
        found |= {name if single else f"{name}.{k}": flat[:, k] for k in range(flat.shape[1])}
    return found


def _stopwatch(watts: float | None) -> Stopwatch:
    devices = jax.devices()
    held = sum(device.platform != "cpu" for device in devices)
    return Stopwatch(open_counter(watts), device=devices[0].device_kind, devices=held)
