"""Making the parts of a `diorama run` again: its worlds, its policies, its scores, each as the run made it.

A part goes on from what the recipe went on from, the same part of the round before. Critics are not kept with a policy,
so a policy that is made again learns with fresh ones.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from diorama.core.canonical import to_json
from diorama.core.errors import DataError
from diorama.evaluate import Evaluation
from diorama.models import load as load_model
from diorama.recipes import scoring
from diorama.recipes.coupled import fit_round, fresh_learners, train_round
from diorama.recipes.describing import replacing
from diorama.recipes.latent_policies import load as load_policy
from diorama.recipes.loop import POLICY, WORLD
from diorama.recipes.making import journalled
from diorama.recipes.pairs import actor_of, pair_of
from diorama.recipes.push_t import tested
from diorama.recipes.recorded import part_of, run_settings
from diorama.recipes.registering import LOCAL, Sources
from diorama.recipes.tasks import Task, find_task, reward_for
from diorama.recipes.workshop import Workshop, one
from diorama.registry.actions import Action
from diorama.registry.difference import episodes_of
from diorama.registry.recording import Recorder
from diorama.registry.records import Version

_CLAIM, _RANDOM, _EVALUATION = "claim", "random", "evaluation"


def part_maker(action: Action) -> Callable[..., Mapping[str, str]] | None:
    """What makes this part of a run again, or None where nothing does: data are collected in reality."""
    part = str(action.command.get("part"))
    makers = {WORLD: fit_part, LOCAL: fit_part, POLICY: train_part, _EVALUATION: score_part}
    return makers.get(part.partition("-")[0])


def fit_part(shop: Workshop, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
    """A world of a round, from the new data."""
    config, dataset = run_settings(action.command), shop.data(one(action, "dataset"))
    part, (begin, source) = part_of(action.command, config), shop.begin(action)
    name = shop.book.registry.get(supersedes[action.command["part"]]).name
    sources = _sources(action, name, supersedes, dataset=one(action, "dataset"), relation="finetune")
    with shop.run(old, action) as run, journalled(shop.book, run, lambda _: sources):
        fit_round(config, run, dataset, *part, begin and load_model(source), shop.watch)
    return shop.made(action)


def train_part(shop: Workshop, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
    """A policy of a round, between the new worlds, from the same real states, begun at the policy before."""
    config, dataset = run_settings(action.command), shop.data(one(action, "dataset"))
    number, (begin, source) = part_of(action.command, config).number, shop.begin(action)
    worlds = {part: one(action, part) for part in (WORLD, LOCAL)}
    world, local = (load_model(shop.unpacked(version)) for version in worlds.values())
    pair = pair_of(world, local, dataset, reward_for(world.spec), ends=config.ends)
    actor, critics = fresh_learners(config, pair)
    learners = (actor_of(load_policy(source)) if source else actor, critics)
    relation = begin.relation if begin else ""
    sources = _sources(action, old.name, supersedes, dataset=one(action, "dataset"), relation=relation)
    sources = dataclasses.replace(sources, worlds=worlds, data=dataset.path)
    with shop.run(old, action) as run, journalled(shop.book, run, lambda _: sources):
        train_round(config, run, pair, number, learners, shop.watch, dataset)
    return shop.made(action)


def score_part(shop: Workshop, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
    """The scores in reality of the policies that are new, on the same seeds; the others' scores stay as they are."""
    registry, task = shop.book.registry, find_task(action.command["task"])
    with Recorder(registry, action, shop.book.stopwatch()) as stage:
        found, ids, steps = {}, {}, 0
        for row in (name for name in supersedes if name != _CLAIM):
            earlier = registry.get(supersedes[row])
            policy, world = _policy(shop, action, earlier), one(action, "world")
            kept = {edge.target for edge in earlier.edges} >= {policy, world}
            if kept:
                found[row], ids[row] = _recorded(shop, earlier), stage.output(row, earlier.manifest)
                continue
            found[row] = _scored(shop, task, policy, earlier)
            record = found[row].to_json()
            manifest = scoring.evaluation_manifest(shop.book, record, earlier.name, policy, world)
            ids[row] = stage.output(row, replacing(manifest, earlier.id))
            steps += len(found[row].seeds)
        if _CLAIM in supersedes:
            claim = _claim(registry.get(supersedes[_CLAIM]), supersedes, found, ids)
            stage.output(_CLAIM, replacing(claim, supersedes[_CLAIM]))
        stage.took(steps=steps)
    return shop.made(action)


def _claim(old: Version, supersedes: Mapping[str, str], found: Mapping[str, Evaluation], ids: Mapping[str, str]) -> Any:
    """What the old claim said, of the new scores. The first evaluation that it rests on is of the trained policy."""
    rows = {version: row for row, version in supersedes.items()}
    rests = [rows[edge.target] for edge in old.edges if edge.role == "supports"]
    metric = old.fields["metric"]
    random = found[rests[1]] if len(rests) > 1 and rests[1] == _RANDOM else None
    difference = to_json(found[rests[0]].versus(random, metric)) if random is not None else None
    level = scoring.score_level(True, True, difference)
    made, note = [ids[row] for row in rests], str(old.fields.get("note", ""))
    return scoring.score_claim(found[rests[0]].to_json(), metric, old.name, made, level, note)


def _policy(shop: Workshop, action: Action, evaluation: Version) -> str:
    """The policy that stands in the place of the one that an evaluation measured."""
    (measured,) = (edge.target for edge in evaluation.edges if edge.role == "evaluates")
    given = action.inputs["policy"]
    if measured in given:
        return measured
    heirs = [source for source, _ in shop.book.registry.edges(target=measured, role="supersedes") if source in given]
    if not heirs:
        raise DataError(f"No policy takes the place of {measured[:12]} in the scores of {evaluation.name}.")
    return heirs[-1]


def _scored(shop: Workshop, task: Task, policy: str, earlier: Version) -> Evaluation:
    """The episodes of an earlier evaluation with another policy."""
    task = dataclasses.replace(task, length=earlier.fields["length"])
    seeds = np.asarray(_recorded(shop, earlier).seeds)
    return tested(task, earlier.fields["policy"], shop.actor(task, policy), seeds)


def _recorded(shop: Workshop, evaluation: Version) -> Evaluation:
    table = dict(episodes_of(evaluation, shop.book.registry.read_blob))
    if not table:
        raise DataError(f"{evaluation.name} ({evaluation.id[:12]}) keeps no episodes; evaluate its policy anew.")
    fields, seeds = evaluation.fields, tuple(table.pop("seed"))
    scores = {metric: np.asarray(values) for metric, values in table.items()}
    return Evaluation(fields["policy"], fields["world"], seeds, fields["length"], scores)


def _sources(action: Action, name: str, supersedes: Mapping[str, str], *, dataset: str, relation: str) -> Sources:
    """What the part rests on, registered under the action's own key."""
    command = {key: value for key, value in action.command.items() if key != "part"}
    begin = action.inputs.get("begin", ())
    return Sources(
        base=action.command["task"],
        settings=command,
        name=name,
        dataset=dataset,
        begin=begin[0] if begin else None,
        relation=relation,
        supersedes=supersedes,
        task=action.command["task"],
        seeds=tuple(action.seeds),
    )
