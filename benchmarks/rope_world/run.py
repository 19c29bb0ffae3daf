"""A world learned from rope data: where it agrees with the simulator, where not, and what a policy trained in it does.

Run: ``python benchmarks/rope_world/run.py --out rope_world`` (``--size nano``; ``test`` only sees that it runs). The
same command goes on where it was stopped. Everything is made by the verbs of the command line, into a registry of its
own: random grippers in ``rope-separation`` and ``rope-gathering`` at the default factors are recorded (``collect``),
worlds are fitted (``fit``), policies trained in one of them (``train``) and tested (``evaluate --in``) in the simulator
and in the worlds, beside random, still and scripted ones, on the same fresh starts.

Tables. ``horizon``: the exam of ``fit`` on fresh episodes, errors in percent of the standard deviation of the data;
``cm``: mean distance of the vertices from where they really were. ``factors``: the same starts and actions with one
factor of variation drawn anew; the difference is paired by episode. ``contact``: episodes of ``rope-gathering`` in
which the rope moved a peg by more than 1 cm, and those in which it did not. ``policies``: success and cost, and what
the learned world says minus what the simulator says, paired by start. Intervals are 95 %.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from looking import SHOWN, Imagined, bins, distances, imagined, over, paired, touched
from settings import DATA_SEED, FACTORS, FRESH_SEED, OBSERVATIONS, SETTINGS, TASK, TEST_SEED, TOUCHING, Settings
from tables import tables

from diorama.cli import verbs
from diorama.cli.evaluation_verbs import evaluate_in
from diorama.core.canonical import canonical, to_json
from diorama.core.files import write_atomically
from diorama.data import Dataset, Windows
from diorama.evaluate import intervals
from diorama.evaluate.records import EPISODES, Episodes, read_episodes
from diorama.recipes import requests
from diorama.recipes.any_model import load as load_model
from diorama.recipes.config import WorldConfig
from diorama.recipes.loop import WORLD, apart, exam_text, examine
from diorama.recipes.presets import world_config
from diorama.recipes.rope_tasks import COST_LEFT, SUCCESS
from diorama.recipes.scoring import score_level
from diorama.recipes.where import Where

EDGES = {"stiffness": (0.5, 0.75, 1.5, 2.0), "mass": (0.7, 0.85, 1.2, 1.5), "friction": (0.1, 0.3, 0.5, 0.8)}
"""Edges of the parts of a factor's range; the middle one holds the value of the training data (1, 1 and 0.4)."""
PEGS = slice(-12, None)
"""The vertices of the three pegs among those of ``rope-gathering``."""
FLOORS = ("random", "still", "scripted")


class Study:
    """The folder of a study, and what is made in it."""

    def __init__(self, out: Path, settings: Settings) -> None:
        self.out, self.settings = out, settings
        self.at, self.commit = Where(registry=str(out / "registry")), commit()
        (out / "done").mkdir(parents=True, exist_ok=True)

    def once(self, name: str, work: Callable[[], object]) -> None:
        """Do a stage unless it was done; note what processor time it took."""
        note = self.out / "done" / f"{name}.json"
        if note.exists():
            return
        begun = time.process_time()
        work()
        spent = time.process_time() - begun
        write_atomically(note, canonical({"cpu_s": spent, "commit": self.commit}))
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {name}: {spent:.0f} CPU s\n")

    def collect(self, name: str, env: str, seed: int, episodes: int, vary: tuple[str, ...] = ()) -> Dataset:
        """Random grippers, recorded."""
        place = self.out / name
        asked = requests.Collect(env, place, episodes, "random", seed, vary=vary, at=self.at)
        self.once(name, lambda: verbs.collect(asked))
        return Dataset.open(place)

    def fit(self, name: str, data: str, model: str) -> Path:
        """A world."""
        asked = requests.Fit(
            self.out / data,
            self.out / name,
            self.settings.size,
            model=model,
            observations=OBSERVATIONS,
            updates=self.settings.updates[0],
            at=self.at,
        )
        self.once(name, lambda: verbs.fit(asked))
        return asked.out

    def train(self, name: str, world: Path, data: str, seed: int) -> Path:
        """A policy in a world."""
        size, updates = self.settings.size, self.settings.updates[1]
        asked = requests.Train(world, self.out / data, self.out / name, size, seed, updates, at=self.at)
        self.once(name, lambda: verbs.train(asked))
        return asked.out

    def evaluate(self, name: str, policy: str, worlds: list[str]) -> Episodes:
        """A policy on the fresh starts in several worlds."""
        place = self.out / "evaluations" / name
        asked = requests.Evaluate(
            policy,
            TASK,
            ",".join(worlds),
            items=self.out / "items",
            episodes=self.settings.test,
            seed=TEST_SEED,
            out=place,
            at=self.at,
        )
        self.once(f"evaluate-{name}", lambda: evaluate_in(asked))
        return read_episodes(place / EPISODES)

    def exam(self, name: str, world: Path, data: str, fresh: Dataset, model: str) -> dict:
        """The exam of ``fit`` on fresh episodes."""
        place = self.out / "exams" / f"{name}.json"
        place.parent.mkdir(exist_ok=True)

        def work() -> None:
            config = self.config(model, Dataset.open(self.out / data))
            training = learned_from(Dataset.open(self.out / data), config)
            found = examine(load_model(world / WORLD), fresh, np.arange(fresh.num_episodes), config, training)
            write_atomically(place, exam_text(found))

        self.once(f"exam-{name}", work)
        return json.loads(place.read_text(encoding="utf-8"))

    def config(self, model: str, data: Dataset) -> WorldConfig:
        """How `diorama fit` fits it."""
        return world_config(
            self.settings.size, 0, OBSERVATIONS, self.settings.updates[0], model=model, spec=data.spec()
        )


def learned_from(data: Dataset, config: WorldConfig) -> object:
    """Training windows, for the regression that stands beside a world in its exam."""
    training, _, _ = apart(Windows(data, config.window, config.observations), config)
    return training.sample(np.random.default_rng(config.seed), 4096)


def horizons(exam: dict) -> dict:
    """The rows of the exam that are shown: errors [%] after some of the steps, and its verdicts."""
    last = len(exam["horizon"])
    steps = sorted({1, min(3, last), min(5, last), last})
    ridge = exam["baselines"]["ridge regression"]
    curves = {
        "model": exam["model"],
        "copying": exam["copy_last"],
        "regression": ridge["error"],
        "model - copying": exam["paired"],
        "model - regression": ridge["paired"],
    }
    rows = {
        name: [[100.0 * curve[part][step - 1] for part in ("mean", "low", "high")] for step in steps]
        for name, curve in curves.items()
    }
    calibration = exam["calibration"]
    return {
        "steps": steps,
        "rows": rows,
        "episodes": exam["groups"],
        "actions": exam["actions"]["shuffled"]["verdict"],
        "calibration": calibration and calibration["verdict"],
        "by_name": {name: 100.0 * curve["mean"][-1] for name, curve in exam["by_name"].items()},
    }


def in_centimetres(found: Imagined) -> dict:
    """Mean distance of the vertices at each step, of the model and of copying."""
    ours, copying = distances(found)
    return {
        name: [over(values[:, step]) for step in range(values.shape[1])]
        for name, values in {"model": ours, "copying": copying}.items()
    }


def against_factor(name: str, varied: Imagined, plain: Imagined) -> list[dict]:
    """At the last step, by parts of a factor's range: the error, and that of the same starts and actions as trained."""
    varied, plain = paired(varied, plain)
    (ours, copying), (before, _) = distances(varied), distances(plain)
    moved = 100.0 * np.linalg.norm(varied.real - plain.real, axis=-1).mean(-1)
    return [
        {
            "factor": name,
            "range": word,
            "model": over(ours[:, -1], rows),
            "as trained": over(before[:, -1], rows),
            "difference": over(ours[:, -1] - before[:, -1], rows),
            "copying": over(copying[:, -1], rows),
            "what the factor does": over(moved[:, -1], rows),
        }
        for word, rows in bins(varied.factors[name], EDGES[name]).items()
    ]


def against_contact(found: Imagined) -> list[dict]:
    """At the last step of episodes with contact and without: pegs and rope apart."""
    with_contact = touched(found, PEGS)
    parts = {"pegs": PEGS, "rope": slice(None, PEGS.start)}
    rows = []
    for word, mask in {"pegs were moved": with_contact, "pegs were not moved": ~with_contact}.items():
        for part, chosen in parts.items():
            ours, copying = distances(found, chosen)
            rows.append(
                {
                    "episodes": word,
                    "what": part,
                    "model": over(ours[:, -1], mask),
                    "copying": over(copying[:, -1], mask),
                    "difference": over((ours - copying)[:, -1], mask),
                }
            )
    return rows


def judged(policies: dict[str, Episodes], learned: dict[str, str]) -> list[dict]:
    """Each policy in each world, and the learned worlds' word minus the simulator's on the same starts.

    ``learned``: the name of a world to its address in the table.
    """
    rows = []
    random = policies["random"].of(world=TASK)
    for name, episodes in policies.items():
        real = episodes.of(world=TASK)
        gain = {m: intervals.paired_difference(real.score(m), random.score(m)) for m in (SUCCESS, COST_LEFT)}
        trained = name not in FLOORS
        for world, address in {"the simulator": TASK, **learned}.items():
            part = episodes.of(world=address)
            gap = {m: intervals.paired_difference(part.score(m), real.score(m)) for m in (SUCCESS, COST_LEFT)}
            trust = part.trust[np.isfinite(part.trust)]
            rows.append(
                {
                    "policy": name,
                    "world": world,
                    "n": len(part),
                    SUCCESS: to_json(intervals.rate(part.score(SUCCESS))),
                    COST_LEFT: to_json(intervals.mean(part.score(COST_LEFT))),
                    "gap": None if address == TASK else {m: to_json(one) for m, one in gap.items()},
                    "low trust": int((trust < 0.5).sum()) if trust.size and address != TASK else None,
                    "over random": {m: to_json(one) for m, one in gain.items()} if address == TASK else None,
                    "level": score_level(trained, True, to_json(gain[SUCCESS])) if address == TASK else "L0",
                }
            )
    return rows


def studied(study: Study) -> dict:
    """All stages, and everything that the tables show."""
    settings, models = study.settings, study.settings.models
    study.collect("data", TASK, DATA_SEED, settings.data)
    study.collect("data-contact", TOUCHING, DATA_SEED, settings.data)
    fresh = study.collect("fresh", TASK, FRESH_SEED, settings.fresh)
    varied = {one: study.collect(f"fresh-{one}", TASK, FRESH_SEED, settings.fresh, (one,)) for one in FACTORS}
    touching = study.collect("fresh-contact", TOUCHING, FRESH_SEED, settings.touching)
    worlds = {model: study.fit(f"world-{model}", "data", model) for model in models}
    contact = study.fit("world-contact", "data-contact", models[0])
    found: dict = {"horizon": {}, "cm": {}, "factors": {}}
    for model, place in worlds.items():
        found["horizon"][model] = horizons(study.exam(model, place, "data", fresh, model))
        plain, loaded = imagined(load_model(place / WORLD), fresh), load_model(place / WORLD)
        found["cm"][model] = in_centimetres(plain)
        parts = [against_factor(one, imagined(loaded, held), plain) for one, held in varied.items()]
        found["factors"][model] = [row for part in parts for row in part]
    found["horizon"]["contact"] = horizons(study.exam("contact", contact, "data-contact", touching, models[0]))
    seen = imagined(load_model(contact / WORLD), touching)
    found["cm"]["contact"], found["contact"] = in_centimetres(seen), against_contact(seen)
    names = {f"trained, seed {seed}": f"policy-{seed}" for seed in range(settings.policies)}
    trained = {name: study.train(place, worlds[models[0]], "data", k) for k, (name, place) in enumerate(names.items())}
    everywhere = [TASK, *map(str, worlds.values())]
    policies = {name: study.evaluate(name, name, everywhere) for name in FLOORS}
    policies |= {name: study.evaluate(names[name], str(place), everywhere) for name, place in trained.items()}
    found["policies"] = judged(policies, {model: str(place) for model, place in worlds.items()})
    return found


def commit() -> str:
    """The commit of the code, marked where files differ from it."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=7"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    return told.stdout.strip() or "unknown"


def main() -> None:
    """Make what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", choices=SETTINGS, default="nano")
    given = parser.parse_args()
    study = Study(given.out.resolve() / given.size, SETTINGS[given.size])
    found = studied(study)
    done = {path.stem: json.loads(path.read_text()) for path in sorted((study.out / "done").glob("*.json"))}
    spent = {stage: note["cpu_s"] for stage, note in done.items()}
    seeds = {"data": DATA_SEED, "exams": FRESH_SEED, "tests": TEST_SEED}
    found |= {
        "size": given.size,
        "commits": sorted({note["commit"] for note in done.values()}),
        "seeds": seeds,
        "cpu_s": spent,
        "shown": SHOWN,
    }
    write_atomically(study.out / "rope_world.json", canonical(to_json(found)) + "\n")
    sys.stdout.write(tables(json.loads(canonical(to_json(found)))))


if __name__ == "__main__":
    main()
