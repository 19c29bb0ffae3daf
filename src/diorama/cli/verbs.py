"""What each verb does. Every function takes its request and returns the exit code."""

import contextlib
import hashlib
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from diorama.cli.display import Display
from diorama.cli.testing import tested
from diorama.core.artifact import WEIGHTS
from diorama.core.canonical import canonical, to_json
from diorama.core.files import write_atomically
from diorama.core.spec import EnvSpec
from diorama.data import Dataset
from diorama.evaluate import Evaluation, evaluate
from diorama.recipes import requests
from diorama.recipes.book import Book
from diorama.recipes.candidates import collector, find_candidate
from diorama.recipes.collecting import collect as collect_episodes
from diorama.recipes.config import WorldConfig
from diorama.recipes.imagined_task import learned_task
from diorama.recipes.loop import POLICY, WORLD, check_startable, find_artifact
from diorama.recipes.making import collected, fit_in, journalled, open_jax_book, train_in
from diorama.recipes.matching import check_visible, spec_of
from diorama.recipes.presets import policy_config, structure_of, world_config
from diorama.recipes.push_t import push_t_config, run_push_t
from diorama.recipes.push_t_pixels import push_t_pixels_config, run_push_t_pixels
from diorama.recipes.recorded import recorded_run
from diorama.recipes.registering import Sources
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.tasks import Actor, Task, find_task, reward_for
from diorama.recipes.where import OFF, Where
from diorama.studio.scores import read_json, score_header, score_rows

_LOOPS = {"push-t": (push_t_config, run_push_t), "push-t-pixels": (push_t_pixels_config, run_push_t_pixels)}
"""The task of `run` to its configuration and its work."""


def collect(request: requests.Collect) -> int:
    """Collect episodes into a dataset."""
    task = find_task(request.env, images=request.images != "none")
    seeds = range(request.seed, request.seed + request.episodes)
    asked = ("env", "length", "images", "vary")
    with Display() as display, registering(request.at) as book:
        who = collector(task, request.policy, book=book)
        dataset = collected(
            book,
            request.out,
            lambda: collect_episodes(
                task,
                who.name,
                seeds,
                request.out,
                policy=who.make(task.env().spec),
                length=request.length,
                images=request.images,
                vary=request.vary,
                progress=lambda done, total: display.stage(f"collect ({who.name})", done, total),
            ),
            task=task.name,
            env=task.env(),
            actor=who.name,
            version=who.version,
            name=request.name,
            settings={name: getattr(request, name) for name in asked} | {"policy": who.name},
            seeds=seeds,
        )
    display.say(f"{dataset.num_episodes} episodes, {dataset.num_frames} rows in {request.out}")
    return 0


def fit(request: requests.Fit) -> int:
    """Learn a world from a dataset."""
    dataset = Dataset.open(request.dataset)
    config = _world_config(request, dataset.spec())  # refuses what cannot be modelled before the run folder is made
    settings = {"verb": "fit", "dataset": dataset.identity, "world": to_json(config)}
    with RunFolder(request.out, settings) as run, Display() as display, registering(request.at) as book:
        fit_in(run, book, dataset, config, display.learning, name=request.name)
        from diorama.studio.world_report import write_world_report

        page = write_world_report(run, _fit_command(request), request.seed)
    display.say(f"world:  {request.out / WORLD}\nreport: {page}")
    return 0


def train(request: requests.Train) -> int:
    """Train a policy in a learned world."""
    place = find_artifact(request.world, WORLD)
    dataset, spec = Dataset.open(request.dataset), spec_of(place)
    check_visible(spec)
    check_startable(spec, dataset, reward_for(spec))
    config = policy_config(request.size, request.seed, request.updates, structure_of(spec))
    digest = hashlib.sha256((place / WEIGHTS).read_bytes()).hexdigest()
    settings = {"verb": "train", "dataset": dataset.identity, "world": digest, "policy": to_json(config)}
    with RunFolder(request.out, settings) as run, Display() as display, registering(request.at) as book:
        analytic = train_in(run, book, place, dataset, config, display.learning, name=request.name)
    display.say(f"reward: {'analytic' if analytic else 'learned'}\npolicy: {request.out / POLICY}")
    return 0


def evaluate_policy(request: requests.Evaluate) -> int:
    """Test one policy, or two on the same seeds, in reality or in a learned world, or in several worlds."""
    if request.worlds:
        from diorama.cli.evaluation_verbs import evaluate_in

        return evaluate_in(request)
    task = find_task(request.env) if request.world is None else _imagined(request)
    env = task.env()
    names = [name for name in (request.policy, request.against) if name]
    with Display() as display, registering(request.at) as book:
        policies = [find_candidate(task, name, book=book) for name in names]
        actors = [policy.make(env.spec) for policy in policies]

        def work() -> list[Evaluation]:
            return [_evaluated(task, name, actor, request, display) for name, actor in zip(names, actors, strict=True)]

        found = tested(book, request, task, env, policies, work)
    records = [evaluation.to_json() for evaluation in found]
    display.table(score_header(records), score_rows(records))
    if request.against:
        display.say(f"paired difference in {task.headline}: {found[0].versus(found[1], task.headline)}")
    if request.out:
        request.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(request.out, canonical(records))
    return 0


def run(request: requests.Run) -> int:
    """Run a whole loop."""
    configured, work = _LOOPS[request.task]
    config = configured(request.size, request.seed)
    out = request.out or Path("runs") / f"{request.task}-{request.size}-{request.seed}"
    sources = Sources(request.task, recorded_run(config), task=config.task, seeds=(request.seed,))
    with RunFolder(out, to_json(config)) as folder, Display() as display, registering(request.at) as book:
        with journalled(book, folder, lambda _: sources):
            work(config, folder, display.stage, display.learning)
        from diorama.studio.push_t_report import write_push_t_report

        page = write_push_t_report(folder, config)
        record = read_json(folder.path / "evaluation.json")
    display.table(score_header(record["policies"]), score_rows(record["policies"]))
    display.say(f"report:    {page.resolve()}\nartifacts: {(out / WORLD).resolve()}, {(out / POLICY).resolve()}")
    if request.at.place != OFF:
        place, runs = shlex.quote(request.at.place), shlex.quote(str(out.parent))
        display.say(f"look:      diorama studio --registry {place} --runs {runs}")
    return 0


@contextlib.contextmanager
def registering(where: Where) -> Iterator[Book | None]:
    """The book to register in, open within the block; None where that is switched off."""
    book = open_jax_book(where)
    with book or contextlib.nullcontext():
        yield book


def _world_config(request: requests.Fit, spec: EnvSpec) -> WorldConfig:
    return world_config(
        request.size,
        request.seed,
        request.observations,
        request.updates,
        structure_of(spec),
        request.model,
        network=request.network or "",
        latent=request.latent,
        discrete=request.discrete,
        window=request.window,
        spec=spec,
    )


def _fit_command(request: requests.Fit) -> str:
    """The command line that asks for this."""
    parts = ["diorama", "fit", request.dataset, "--out", request.out, "--size", request.size, "--seed", request.seed]
    if request.model != "ensemble":
        parts += ["--model", request.model]
    if request.observations:
        parts += ["--observations", *request.observations]
    parts += [f"--{option}" for option in ("latent", "discrete") if getattr(request, option)]
    for option in ("network", "updates", "window"):
        if (value := getattr(request, option)) is not None:
            parts += [f"--{option}", value]
    return shlex.join(str(part) for part in parts)


def _imagined(request: requests.Evaluate) -> Task:
    return learned_task(find_artifact(request.world, WORLD), Dataset.open(request.dataset))


def _evaluated(task: Task, name: str, actor: Actor, request: requests.Evaluate, display: Display) -> Evaluation:
    seeds = np.arange(request.seed, request.seed + request.episodes)

    def progress(step: int, length: int, running: int) -> None:
        display.stage(f"evaluate {name}", step, length, f"{running} running")

    evaluation, _ = evaluate(
        actor,
        task.env(),
        seeds=seeds,
        length=task.steps(request.length),
        metrics=task.metrics,
        name=name,
        progress=progress,
    )
    return evaluation
