"""The maker of a rebuild: does again what `diorama fit`, `train` and `evaluate` did, from the recorded settings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diorama.core.canonical import from_json
from diorama.core.errors import DataError
from diorama.data import Dataset
from diorama.evaluate import Evaluation, evaluate
from diorama.learn import Report
from diorama.policies import load as load_policy
from diorama.recipes.book import Book
from diorama.recipes.config import PolicyConfig
from diorama.recipes.describing import slug
from diorama.recipes.imagined_task import learned_task
from diorama.recipes.making import Begin, dataset_of, fit_in, scored, train_in, unpacked, world_settings
from diorama.recipes.replaying import replay
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.tasks import Actor, Task, find_task
from diorama.registry.actions import Action
from diorama.registry.recording import find_made
from diorama.registry.records import Replay, Version

_PARTS = "parts"


class RecipeMaker:
    """Makes worlds, policies and evaluations again in run folders under ``out``; see `diorama.registry.rebuild.Maker`.

    ``watch`` is told where a stage of learning stands.
    """

    def __init__(self, book: Book, out: Path, watch: Callable[[Report], None]) -> None:
        self._book, self._out, self._watch = book, Path(out), watch
        self.code, self.lock = book.code, book.lock

    def make(self, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
        """See `Maker.make`. Raises `DataError` for work of another verb, and where data are not there any more."""
        verb = str(action.command.get("verb"))
        work = {"fit": self._fit, "train": self._train, "evaluate": self._evaluate}.get(verb)
        if work is None:
            raise DataError(
                f"{old.name} ({old.id[:12]}) was made by `diorama {verb}`, which is done again as a whole: "
                "run that command with a new --out."
            )
        return work(action, old, supersedes)

    def replay(self, policy: Version, advisory: str, old: str, new: str) -> Replay:
        """See `Maker.replay`."""
        return replay(self._book, policy, advisory, new, old, self._folder(policy, new))

    def _train(self, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
        """A policy, in the new world, from the same real states."""
        world, dataset = _one(action, "world"), self._data(_one(action, "dataset"))
        folder = self._folder(old, action.key())
        place = unpacked(self._book, world, self._out / _PARTS / world[:16])
        begin, source = self._begin(action)
        settings = {"verb": "rebuild", "action": action.key()}
        with RunFolder(folder, settings) as run:
            train_in(
                run,
                self._book,
                place,
                dataset,
                from_json(PolicyConfig, action.command["policy"]),
                self._watch,
                name=old.name,
                world=world,
                begin=begin,
                actor=source and load_policy(source),
                supersedes=supersedes,
            )
        return self._made(action, supersedes)

    def _fit(self, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
        """A world, from the new data."""
        dataset, folder = self._data(_one(action, "dataset")), self._folder(old, action.key())
        begin, source = self._begin(action)
        with RunFolder(folder, {"verb": "rebuild", "action": action.key()}) as run:
            fit_in(
                run,
                self._book,
                dataset,
                world_settings(action.command),
                self._watch,
                name=self._book.registry.get(supersedes["world"]).name,
                begin=begin,
                source=source,
                later=action.command.get("later", ()),
                supersedes=supersedes,
            )
        return self._made(action, supersedes)

    def _evaluate(self, action: Action, old: Version, supersedes: Mapping[str, str]) -> Mapping[str, str]:
        """The same test of the new policy, or in the new world."""
        command, world = action.command, _one(action, "world")
        names = [_one(action, "policy"), *action.inputs.get("against", ())]
        task = self._task(action, world)
        seeds = np.asarray(action.seeds)

        def work() -> list[Evaluation]:
            env = task.env()
            return [
                evaluate(
                    self._actor(task, name),
                    env,
                    seeds=seeds,
                    length=command["length"],
                    metrics=task.metrics,
                    name=self._book.registry.get(name).name,
                )[0]
                for name in names
            ]

        inputs = {role: ids for role, ids in action.inputs.items() if role not in ("policy", "against", "world")}
        policies = [(name, bool(self._book.registry.edges(source=name, role="trained_in"))) for name in names]
        scored(
            self._book,
            work,
            policies=policies,
            world=world,
            outside=command["env"] is not None,
            metric=command["metric"],
            settings={name: value for name, value in command.items() if name != "verb"},
            seeds=action.seeds,
            inputs=inputs,
            random=command["random"],
            supersedes=supersedes,
        )
        return self._made(action, supersedes)

    def _task(self, action: Action, world: str) -> Task:
        """Reality where the evaluation was in it, else the learned world."""
        if action.command["env"] is not None:
            return find_task(action.command["env"])
        place = unpacked(self._book, world, self._out / _PARTS / world[:16])
        return learned_task(place, self._data(_one(action, "dataset")))

    def _actor(self, task: Task, policy: str) -> Actor:
        found = self._book.registry.get(policy)
        if found.fields.get("kind") == "scripted":
            return task.actor(found.fields["actor"])
        return load_policy(unpacked(self._book, policy, self._out / _PARTS / policy[:16]))

    def _begin(self, action: Action) -> tuple[Begin | None, Path | None]:
        """What the work goes on from, and its artifact."""
        if not action.inputs.get("begin"):
            return None, None
        version = _one(action, "begin")
        return Begin(version, action.command["relation"]), unpacked(
            self._book, version, self._out / _PARTS / version[:16]
        )

    def _data(self, version: str) -> Dataset:
        return dataset_of(self._book, version, self._out / _PARTS / f"data-{version[:16]}")

    def _folder(self, old: Version, key: str) -> Path:
        return self._out / f"{slug(old.name)}-{key[:12]}"

    def _made(self, action: Action, supersedes: Mapping[str, str]) -> Mapping[str, str]:
        """What was registered under the action's key."""
        made = find_made(self._book.registry, action.key())
        if made is None:
            raise DataError(
                f"The work of action {action.key()[:12]} was done and registered under another key, because the code "
                "or the packages changed while it ran; run the same command again."
            )
        return made


def _one(action: Action, role: str) -> str:
    found: Any = action.inputs.get(role, ())
    if len(found) != 1:
        raise DataError(f"The recorded work read {len(found)} versions as its {role}, and this needs one.")
    return found[0]
