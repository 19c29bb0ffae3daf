"""What each verb does. Every function takes its request and returns the exit code."""

import hashlib
import shlex
from pathlib import Path
from typing import get_args

import numpy as np

from diorama.cli.display import Display
from diorama.core.artifact import WEIGHTS
from diorama.core.canonical import canonical, to_json
from diorama.core.files import write_atomically
from diorama.core.spec import EnvSpec
from diorama.data import Dataset
from diorama.evaluate import Evaluation, evaluate
from diorama.models import load as load_model
from diorama.policies import load as load_policy
from diorama.recipes import requests
from diorama.recipes.collecting import collect as collect_episodes
from diorama.recipes.config import WorldConfig
from diorama.recipes.loop import POLICY, WORLD, find_artifact, fit_world, imagined_from, train_policy
from diorama.recipes.matching import check_match, check_visible, spec_of
from diorama.recipes.presets import policy_config, structure_of, world_config
from diorama.recipes.push_t import push_t_config, run_push_t
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.tasks import Actor, Task, find_task, reward_for
from diorama.studio.loop_report import read_json, score_header, score_rows
from diorama.studio.push_t_report import write_push_t_report
from diorama.studio.world_report import write_world_report


def collect(request: requests.Collect) -> int:
    """Collect episodes into a dataset."""
    task = find_task(request.env, images=request.images != "none")
    seeds = range(request.seed, request.seed + request.episodes)
    with Display() as display:
        dataset = collect_episodes(
            task,
            request.policy,
            seeds,
            request.out,
            length=request.length,
            images=request.images,
            vary=request.vary,
            progress=lambda done, total: display.stage(f"collect ({request.policy})", done, total),
        )
    display.say(f"{dataset.num_episodes} episodes, {dataset.num_frames} rows in {request.out}")
    return 0


def fit(request: requests.Fit) -> int:
    """Learn a world from a dataset."""
    dataset = Dataset.open(request.dataset)
    config = _world_config(request, dataset.spec())  # refuses what cannot be modelled before the run folder is made
    settings = {"verb": "fit", "dataset": dataset.identity, "world": to_json(config)}
    with RunFolder(request.out, settings) as run, Display() as display:
        fit_world(run, dataset, config, display.learning)
        page = write_world_report(run, _fit_command(request), request.seed)
    display.say(f"world:  {request.out / WORLD}\nreport: {page}")
    return 0


def train(request: requests.Train) -> int:
    """Train a policy in a learned world."""
    place = find_artifact(request.world, WORLD)
    dataset, model = Dataset.open(request.dataset), load_model(place)
    check_visible(model.spec)
    config = policy_config(request.size, request.seed, request.updates, structure_of(model.spec))
    digest = hashlib.sha256((place / WEIGHTS).read_bytes()).hexdigest()
    settings = {"verb": "train", "dataset": dataset.identity, "world": digest, "policy": to_json(config)}
    reward = reward_for(model.spec)
    world, observation = imagined_from(model, dataset, reward)
    with RunFolder(request.out, settings) as run, Display() as display:
        train_policy(run, world, observation, config, display.learning)
    display.say(f"reward: {'analytic' if reward else 'learned'}\npolicy: {request.out / POLICY}")
    return 0


def evaluate_policy(request: requests.Evaluate) -> int:
    """Test one policy, or two on the same seeds."""
    task = find_task(request.env)
    names = [name for name in (request.policy, request.against) if name]
    actors = [_actor(task, name) for name in names]
    with Display() as display:
        found = [_evaluated(task, name, actor, request, display) for name, actor in zip(names, actors, strict=True)]
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
    config = push_t_config(request.size, request.seed)
    out = request.out or Path("runs") / f"{request.task}-{request.size}-{request.seed}"
    with RunFolder(out, to_json(config)) as folder, Display() as display:
        run_push_t(config, folder, display.stage, display.learning)
        page = write_push_t_report(folder, config)
        record = read_json(folder.path / "evaluation.json")
    display.table(score_header(record["policies"]), score_rows(record["policies"]))
    display.say(f"report:    {page.resolve()}\nartifacts: {(out / WORLD).resolve()}, {(out / POLICY).resolve()}")
    return 0


def _world_config(request: requests.Fit, spec: EnvSpec) -> WorldConfig:
    return world_config(
        request.size,
        request.seed,
        request.observations,
        request.updates,
        structure_of(spec),
        request.model,
        network=request.network or "",
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
    for option in ("network", "updates", "window"):
        if (value := getattr(request, option)) is not None:
            parts += [f"--{option}", value]
    return shlex.join(str(part) for part in parts)


def _evaluated(task: Task, name: str, actor: Actor, request: requests.Evaluate, display: Display) -> Evaluation:
    seeds = np.arange(request.seed, request.seed + request.episodes)

    def progress(step: int, length: int, running: int) -> None:
        display.stage(f"evaluate {name}", step, length, f"{running} running")

    evaluation, _ = evaluate(
        actor,
        task.env(),
        seeds=seeds,
        length=request.length or task.length,
        metrics=task.metrics,
        name=name,
        progress=progress,
    )
    return evaluation


def _actor(task: Task, name: str) -> Actor:
    """A policy by the name of a built-in actor or by its folder. Raises `SpecError` where it is for another world."""
    if name in {"random", *task.actors}:
        return task.actor(name)
    if not Path(name).exists() and name in get_args(requests.Play):
        return task.actor(name)
    place = find_artifact(Path(name), POLICY)
    check_match("The policy", spec_of(place), task.env().spec)
    return load_policy(place)
