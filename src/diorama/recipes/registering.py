"""Registering what a run folder holds, stage by stage. JAX-free; learners know nothing of it.

A `Journal` is told of each finished stage by the `RunFolder`. What a stage read follows from the run's names: round k
makes ``world-k``, ``local-k`` and ``policy-k``, and those of the last round are ``world``, ``local`` and ``policy``.
The ids of what was registered stand in the run's ``versions.json``. A stage that is registered already is not
registered again, and one that a killed run left unregistered is when the run goes on.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from diorama.core.files import write_atomically
from diorama.data import Dataset
from diorama.recipes import describing, scoring
from diorama.recipes.book import Book
from diorama.recipes.run_folder import OPEN, VERSIONS, RunFolder
from diorama.recipes.visited import kept, read_visited
from diorama.registry.recording import Recorder
from diorama.registry.records import Edge, Manifest
from diorama.registry.resources import Resources

DATA, WORLD, LOCAL, POLICY = "data", "world", "local", "policy"
_ROUND = re.compile(r"(?P<what>.+?)(?:-(?P<round>\d+))?")


@dataclass(frozen=True)
class Sources:
    """What the stages of a run rest on.

    ``base``: the first part of the families' names; ``name``: the whole name where the run makes one thing.
    ``dataset``, ``worlds`` (by their part in training): ids of inputs that the run did not make; ``data``: the folder
    of that dataset. ``begin``: the version that the work began from, and ``relation`` how a policy is then derived from
    it ("" where it only began there), or a world. ``supersedes``: what each output replaces. ``task``:
    that of reality. ``settings``: the command, as JSON values.
    """

    base: str
    settings: Mapping[str, Any]
    name: str | None = None
    dataset: str | None = None
    worlds: Mapping[str, str] = field(default_factory=dict)
    begin: str | None = None
    relation: str = "finetune"
    supersedes: Mapping[str, str] = field(default_factory=dict)
    task: str | None = None
    data: Path | None = None
    seeds: tuple[int, ...] = ()


class Journal:
    """Registers the stages of one run as they are finished. Use as a context manager around the work."""

    def __init__(self, book: Book, run: RunFolder, sources: Sources) -> None:
        self._book, self._run, self._sources = book, run, sources
        self.versions: dict[str, str] = _read(run.path / VERSIONS) or {}
        self._watch = book.stopwatch()
        self._carried = Resources()

    def __enter__(self) -> "Journal":
        left = _read(self._run.path / OPEN)
        if left:
            self._carried = replace(Resources.from_json(left["taken"]), whole=left["whole"] and not left["running"])
        self._note_open(running=True)
        self._run.told = self
        for stage, note in self._run.stages().items():
            self(stage, note)
        self._watch.restart()
        return self

    def __exit__(self, *_: object) -> None:
        self._run.told = None
        self._carried = self._carried.plus(self._watch.stop())
        self._note_open(running=False)

    def __call__(self, stage: str, note: Mapping[str, Any]) -> None:
        """A stage is finished, or has been: register what it made, if nobody did."""
        kind, _, what = stage.partition("-")
        if stage == "seconds" and note.keys() == {"collect"}:
            self._data()
        elif kind == "fit":
            self._fit(what or WORLD, note)
        elif kind == "train":
            self._train(f"{POLICY}-{what}" if what else POLICY, note)
        elif stage == "evaluate":
            self._evaluate()

    def _fit(self, what: str, note: Mapping[str, Any]) -> None:
        """A world: from the data so far, and from the same world of the round before."""
        folder, name = self._run.path / what, self._name(what)
        dataset = self._dataset(note)
        if what in self.versions or dataset is None:
            return
        begin, relation = self._before(what)
        inputs = {"dataset": [dataset], "begin": [begin] if begin else []}
        edges = [Edge("trained_on", dataset)]
        edges += [Edge("derived_from", begin, {"relation": relation})] if begin else []
        exam = self._run.path / ("exam.json" if what == WORLD else f"exam-{what}.json")
        with self._recorder(what, inputs) as stage:
            seen = self._covered(folder, note["dataset"])
            world = self._output(stage, what, describing.world_manifest(self._book, folder, name, edges, exam, seen))
            if exam.is_file():
                evaluation, claim = scoring.exam_manifests(self._book, exam, name, world, dataset)
                examined = self._output(stage, "exam", evaluation)
                if claim is not None:
                    self._output(stage, "claim", scoring.supported(claim, examined))
            stage.took(self._cut(self._steps("fit" if what == WORLD else f"fit-{what}")))
        self._keep(what, world, folder)

    def _train(self, what: str, note: Mapping[str, Any]) -> None:
        """A policy: in this round's worlds, from the real states of the data, from the policy of the round before."""
        folder, name = self._run.path / what, self._name(what)
        if what in self.versions or not folder.is_dir():
            return
        worlds = self._worlds(what)
        data = self._data_folder()
        dataset = self._sources.dataset or (describing.dataset_id(self._book, Dataset.open(data)) if data else None)
        begin, relation = self._before(what)
        inputs = {**{part: [world] for part, world in worlds.items()}, "dataset": [dataset] if dataset else []}
        edges = [Edge("trained_in", world, {"part": part}) for part, world in worlds.items()]
        edges += [Edge("trained_on", dataset, {"use": "starts"})] if dataset else []
        edges += [Edge("initialised_from", begin)] if begin else []
        derived = begin and relation and self._sources.begin
        edges += [Edge("derived_from", begin, {"relation": relation})] if derived else []
        with self._recorder(what, inputs | {"begin": [begin] if begin else []}) as stage:
            sketch = read_visited(self._run.path / kept(what)) or self._visited(folder, data)
            policy = self._output(stage, what, describing.policy_manifest(self._book, folder, name, edges, sketch))
            stage.took(self._cut(self._steps("train" if what == POLICY else f"train-{what.rpartition('-')[2]}")))
        self._keep(what, policy, folder)

    def _evaluate(self) -> None:
        """The scores of the run in reality, and the claim on its policy."""
        path = self._run.path / "evaluation.json"
        if "evaluation" in self.versions or POLICY not in self.versions or self._sources.task is None:
            return
        record = json.loads(path.read_text(encoding="utf-8"))
        world = self._reality()
        # The first row is the policy that was trained; the others need no training, or are it on other seeds.
        trained = record["policies"][0]["policy"]
        policies = {row["policy"]: self._tested(row["policy"], trained) for row in record["policies"]}
        inputs = {"policy": sorted(set(policies.values())), "world": [world]}
        with self._recorder("evaluation", inputs) as stage:
            made = [
                stage.output(
                    row["policy"],
                    scoring.evaluation_manifest(
                        self._book, row, self._name("evaluation"), policies[row["policy"]], world
                    ),
                )
                for row in record["policies"]
            ]
            level = scoring.score_level(True, True, record.get("difference"))
            claim = scoring.score_claim(
                record["policies"][0], record["metric"], self._name("claim"), made[:2], level, "against random"
            )
            stage.output("claim", claim)
            stage.took(self._cut(sum(len(row["seeds"]) for row in record["policies"])))
        self._keep("evaluation", made[0], None)

    def _data(self) -> None:
        """The first data of a run, as soon as they are collected."""
        place = self._run.path / DATA
        if DATA in self.versions or not place.is_dir():
            return
        self._collected(Dataset.open(place))

    def _collected(self, dataset: Dataset) -> str:
        """The dataset of this moment: who acted in it, in reality, added to what was there before."""
        actors = sorted({identity.ids.get("operator", "unknown") for identity in dataset.identities})
        policies = [self._actor(actor) for actor in actors]
        world, before = self._reality(), self.versions.get(DATA)
        edges = [Edge("data_from", world), *describing.acted(list(zip(actors, policies, strict=True)))]
        edges += [Edge("derived_from", before, {"relation": "merge"})] if before else []
        inputs = {"world": [world], "policy": policies, "dataset": [before] if before else []}
        with self._recorder(f"{DATA}-{dataset.num_episodes}", inputs) as stage:
            manifest = describing.dataset_manifest(self._book, dataset, self._name(DATA), edges)
            made = stage.output(DATA, manifest)
            stage.took(self._cut(dataset.num_episodes))
        self._keep(DATA, made, dataset.path)
        return made

    def _dataset(self, note: Mapping[str, Any]) -> str | None:
        """The data that a fit read. None where they have grown since and were never registered."""
        if self._sources.dataset:
            return self._sources.dataset
        if found := describing.find_dataset(self._book, note["dataset"]):
            return found
        dataset = Dataset.open(self._run.path / DATA)
        return self._collected(dataset) if dataset.identity == note["dataset"] else None

    def _before(self, what: str) -> tuple[str | None, str]:
        """What this went on from: the same thing of the round before, or what the run was given."""
        if self._sources.begin:
            return self._sources.begin, self._sources.relation
        match = _ROUND.fullmatch(what)
        if match["round"] == "0":
            return None, "finetune"
        rounds = [int(found["round"]) for found in map(_ROUND.fullmatch, self.versions) if _round_of(found, match)]
        last = int(match["round"]) - 1 if match["round"] else max(rounds, default=-1)
        return self.versions.get(f"{match['what']}-{last}"), "finetune"

    def _worlds(self, what: str) -> dict[str, str]:
        """The worlds of this policy's round by their part in training, or those that the run was given."""
        if self._sources.worlds:
            return dict(self._sources.worlds)
        suffix = what.removeprefix(POLICY)
        return {part: self.versions[part + suffix] for part in (WORLD, LOCAL) if part + suffix in self.versions}

    def _actor(self, operator: str) -> str:
        """Who acted under this name: a policy of an earlier round, or one that needs no training."""
        found = re.match(r"policy (\d+)", operator)
        made = self.versions.get(f"{POLICY}-{found[1]}") if found else None
        return made or describing.scripted_id(self._book, self._sources.task or self._sources.base, operator)

    def _tested(self, name: str, trained: str) -> str:
        mine = name == trained or name.startswith(f"{trained},")
        return self.versions[POLICY] if mine else self._actor(name)

    def _reality(self) -> str:
        from diorama.recipes.tasks import find_task

        task = self._sources.task or self._sources.base
        return describing.reality_id(self._book, task, find_task(task).env())

    def _visited(self, folder: Path, data: Path | None) -> dict[str, Any] | None:
        if data is None:
            return None
        return self._seen(folder, Dataset.open(data))

    def _covered(self, folder: Path, identity: str) -> dict[str, Any] | None:
        """What the data of a world cover, unless they have grown since."""
        data = self._data_folder()
        dataset = Dataset.open(data) if data else None
        return self._seen(folder, dataset) if dataset is not None and dataset.identity == identity else None

    def _seen(self, folder: Path, dataset: Dataset) -> dict[str, Any]:
        spec = json.loads((folder / describing.DESCRIPTION).read_text(encoding="utf-8"))["spec"]
        return describing.visited(dataset, describing.vectors(dataset, spec["observation"]))

    def _data_folder(self) -> Path | None:
        own = self._run.path / DATA
        return self._sources.data or (own if own.is_dir() else None)

    def _name(self, what: str) -> str:
        return self._sources.name or describing.family(self._sources.base, re.sub(r"-\d+$", "", what))

    def _recorder(self, what: str, inputs: Mapping[str, Sequence[str]]) -> Recorder:
        command = {**self._sources.settings, "part": what}
        old = sorted(self._sources.supersedes.values())
        return self._book.recorder(self._book.action(command, {**inputs, "instead_of": old}, self._sources.seeds))

    def _output(self, stage: Recorder, name: str, manifest: Manifest) -> str:
        return stage.output(name, describing.replacing(manifest, self._sources.supersedes.get(name)))

    def _keep(self, what: str, version: str, folder: Path | None) -> None:
        self.versions[what] = version
        write_atomically(self._run.path / VERSIONS, json.dumps(self.versions, indent=1))
        if folder is not None:
            self._book.places.note(version, folder)

    def _cut(self, steps: int) -> Resources:
        """What was taken since the last cut, over all attempts."""
        taken = self._carried.plus(self._watch.stop(steps))
        self._carried = Resources()
        self._watch.restart()
        self._note_open(running=True)
        return taken

    def _note_open(self, running: bool) -> None:
        left = {"taken": self._carried.to_json(), "whole": self._carried.whole, "running": running}
        write_atomically(self._run.path / OPEN, json.dumps(left))

    def _steps(self, stage: str) -> int:
        return max((line["step"] for line in self._run.metrics(stage)), default=0)


def _round_of(found: re.Match, wanted: re.Match) -> bool:
    return found["what"] == wanted["what"] and found["round"] is not None


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
