"""The maker of a rebuild: does again what `diorama fit`, `train`, `evaluate` and `run` did, as it was recorded."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from diorama.core.canonical import from_json
from diorama.evaluate import Evaluation, evaluate
from diorama.learn import Report
from diorama.policies import load as load_policy
from diorama.recipes import rebuilding_trials
from diorama.recipes.book import Book
from diorama.recipes.config import PolicyConfig
from diorama.recipes.imagined_task import learned_task
from diorama.recipes.making import fit_in, scored, train_in
from diorama.recipes.rebuilding_runs import part_maker
from diorama.recipes.recorded import world_settings
from diorama.recipes.replaying import replay, replay_again
from diorama.recipes.tasks import Task, find_task
from diorama.recipes.workshop import Workshop, one
from diorama.registry.actions import Action
from diorama.registry.records import Replay, Version

Make = Callable[[Workshop, Action, Version, Mapping[str, str]], Mapping[str, str]]
"""Does an action again in a workshop, in the place of a version; what it supersedes, and what it makes, by output."""


class RecipeMaker:
    """Makes worlds, policies and evaluations again in run folders under ``out``; see `diorama.registry.rebuild.Maker`.

    ``watch`` is told where a stage of learning stands.
    """

    def __init__(self, book: Book, out: Path, watch: Callable[[Report], None]) -> None:
        self._shop = Workshop(book, out, watch)
        self.code, self.lock = book.code, book.lock

    def refusal(self, action: Action) -> str:
        """See `Maker.refusal`."""
        if action.command.get("verb") == rebuilding_trials.VERB:
            return rebuilding_trials.refusal(self._shop, action)
        if _maker(action) is not None:
            return ""
        verb, part = action.command.get("verb"), action.command.get("part", "")
        if str(part).startswith("data"):
            return "Its episodes have to be collected again; nobody but you can do that."
        return f"It was made by `diorama {verb}`, which cannot be done again from the record; make it by hand."

    def make(self, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
        """See `Maker.make`. Raises `DataError` where data are not there any more."""
        return _maker(action)(self._shop, action, old, supersedes)

    def replay(self, policy: Version, advisory: str, old: str, new: str) -> Replay:
        """See `Maker.replay`."""
        return replay(self._shop.book, policy, advisory, new, old, self._shop.folder(policy, new))


def _maker(action: Action) -> Make | None:
    makers: dict[str, Make] = {"fit": _fit, "train": _train, "evaluate": _evaluate, "replay": replay_again}
    makers[rebuilding_trials.VERB] = rebuilding_trials.evaluate_again
    verb = str(action.command.get("verb"))
    return part_maker(action) if verb == "run" else makers.get(verb)


def _train(shop: Workshop, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
    """A policy, in the new world, from the same real states."""
    world, dataset = one(action, "world"), shop.data(one(action, "dataset"))
    place, (begin, source) = shop.unpacked(world), shop.begin(action)
    with shop.run(old, action) as run:
        train_in(
            run,
            shop.book,
            place,
            dataset,
            from_json(PolicyConfig, action.command["policy"]),
            shop.watch,
            name=old.name,
            world=world,
            begin=begin,
            actor=source and load_policy(source),
            supersedes=supersedes,
        )
    return shop.made(action)


def _fit(shop: Workshop, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
    """A world, from the new data."""
    dataset, (begin, source) = shop.data(one(action, "dataset")), shop.begin(action)
    with shop.run(old, action) as run:
        fit_in(
            run,
            shop.book,
            dataset,
            world_settings(action.command),
            shop.watch,
            name=shop.book.registry.get(supersedes["world"]).name,
            begin=begin,
            source=source,
            later=action.command.get("later", ()),
            supersedes=supersedes,
        )
    return shop.made(action)


def _evaluate(shop: Workshop, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
    """The same test of the new policy, or in the new world."""
    command, world, registry = action.command, one(action, "world"), shop.book.registry
    names = [one(action, "policy"), *action.inputs.get("against", ())]
    task = _task(shop, action, world)
    seeds = np.asarray(action.seeds)

    def work() -> list[Evaluation]:
        env = task.env()
        return [
            evaluate(
                shop.actor(task, name),
                env,
                seeds=seeds,
                length=command["length"],
                metrics=task.metrics,
                name=registry.get(name).name,
            )[0]
            for name in names
        ]

    inputs = {role: ids for role, ids in action.inputs.items() if role not in ("policy", "against", "world")}
    scored(
        shop.book,
        work,
        policies=[(name, bool(registry.edges(source=name, role="trained_in"))) for name in names],
        world=world,
        outside=command["env"] is not None,
        metric=command["metric"],
        settings={name: value for name, value in command.items() if name != "verb"},
        seeds=action.seeds,
        inputs=inputs,
        random=command["random"],
        supersedes=supersedes,
    )
    return shop.made(action)


def _task(shop: Workshop, action: Action, world: str) -> Task:
    """Reality where the evaluation was in it, else the learned world."""
    if action.command["env"] is not None:
        return find_task(action.command["env"])
    return learned_task(shop.unpacked(world), shop.data(one(action, "dataset")))
