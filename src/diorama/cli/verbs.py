"""What each verb does. Every function takes its request and returns the exit code."""

from pathlib import Path

import numpy as np

from diorama.cli.display import Display
from diorama.core.canonical import canonical, to_json
from diorama.data import Dataset, check_dataset, import_dataset
from diorama.evaluate import Evaluation, evaluate
from diorama.models import load as load_model
from diorama.policies import load as load_policy
from diorama.recipes import requests
from diorama.recipes.collecting import collect as collect_episodes
from diorama.recipes.loop import POLICY, WORLD, find_artifact, fit_world, imagined_from, train_policy
from diorama.recipes.presets import policy_config, structure_of, world_config
from diorama.recipes.push_t import push_t_config, run_push_t
from diorama.recipes.run_folder import RunFolder, write_atomically
from diorama.recipes.tasks import Actor, Task, find_task, reward_for
from diorama.studio.dataset_view import feature_rows
from diorama.studio.loop_report import read_json, score_rows
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
    structure = structure_of(dataset.spec())
    config = world_config(request.size, request.seed, request.observations, request.updates, structure)
    settings = {"verb": "fit", "dataset": dataset.identity, "world": to_json(config)}
    with RunFolder(request.out, settings) as run, Display() as display:
        fit_world(run, dataset, config, display.learning)
        command = f"diorama fit {request.dataset} --out {request.out} --size {request.size} --seed {request.seed}"
        page = write_world_report(run, command, request.seed)
    display.say(f"world:  {request.out / WORLD}\nreport: {page}")
    return 0


def train(request: requests.Train) -> int:
    """Train a policy in a learned world."""
    place = find_artifact(request.world, WORLD)
    dataset, model = Dataset.open(request.dataset), load_model(place)
    config = policy_config(request.size, request.seed, request.updates, structure_of(model.spec))
    settings = {"verb": "train", "dataset": dataset.identity, "world": str(place), "policy": to_json(config)}
    reward = reward_for(model.spec)
    with RunFolder(request.out, settings) as run, Display() as display:
        world, observation = imagined_from(model, dataset, reward)
        train_policy(run, world, observation, config, display.learning)
    display.say(f"reward: {'analytic' if reward else 'learned'}\npolicy: {request.out / POLICY}")
    return 0


def evaluate_policy(request: requests.Evaluate) -> int:
    """Test one policy, or two on the same seeds."""
    task = find_task(request.env)
    names = [name for name in (request.policy, request.against) if name]
    with Display() as display:
        found = [_evaluated(task, name, request, display) for name in names]
    header = ["policy", *(metric for metric in task.metrics)]
    display.table(header, [[e.policy, *(str(e.estimate(metric)) for metric in task.metrics)] for e in found])
    if request.against:
        display.say(f"paired difference in {task.headline}: {found[0].versus(found[1], task.headline)}")
    if request.out:
        write_atomically(request.out, canonical([evaluation.to_json() for evaluation in found]))
    return 0


def run(request: requests.Run) -> int:
    """Run a whole loop."""
    config = push_t_config(request.size, request.seed)
    out = request.out or Path("runs") / f"{request.task}-{request.size}-{request.seed}"
    with RunFolder(out, to_json(config)) as folder, Display() as display:
        run_push_t(config, folder, display.stage, display.learning)
        page = write_push_t_report(folder, config)
        record = read_json(folder.path / "evaluation.json")
    display.table(["in reality", *record["policies"][0]["estimates"]], score_rows(record["policies"]))
    display.say(f"report:    {page.resolve()}\nartifacts: {(out / WORLD).resolve()}, {(out / POLICY).resolve()}")
    return 0


def inspect(request: requests.Inspect) -> int:
    """Show what a dataset holds."""
    dataset, display = Dataset.open(request.dataset), Display()
    tasks = ", ".join(list(dataset.tasks)[:5])
    display.say(f"{request.dataset}: LeRobot {dataset.info.codebase_version}, {dataset.fps:g} rows a second")
    display.say(f"{dataset.num_episodes} episodes, {dataset.num_frames} rows; tasks: {tasks}")
    display.say(f"version (Merkle root): {dataset.identity}")
    display.table(["feature", "dtype", "shape", "mean", "std", "min", "max"], feature_rows(dataset))
    return 0


def check(request: requests.Check) -> int:
    """Check a dataset; 1 where a finding is an error."""
    findings, display = check_dataset(request.dataset), Display()
    for finding in findings:
        display.say(str(finding))
    errors = sum(finding.severity == "error" for finding in findings)
    display.say(f"{errors} errors, {len(findings) - errors} warnings" if findings else "sound")
    return int(errors > 0)


def import_(request: requests.Import) -> int:
    """Turn foreign episodes into a dataset."""
    dataset = import_dataset(request.source, request.out, format=request.format)
    Display().say(f"{dataset.num_episodes} episodes, {dataset.num_frames} rows in {request.out}")
    return 0


def _evaluated(task: Task, name: str, request: requests.Evaluate, display: Display) -> Evaluation:
    seeds = np.arange(request.seed, request.seed + request.episodes)

    def progress(step: int, length: int, running: int) -> None:
        display.stage(f"evaluate {name}", step, length, f"{running} running")

    evaluation, _ = evaluate(
        _actor(task, name),
        task.env(),
        seeds=seeds,
        length=request.length or task.length,
        metrics=task.metrics,
        name=name,
        progress=progress,
    )
    return evaluation


def _actor(task: Task, name: str) -> Actor:
    """A policy by the name of a built-in actor or by its folder."""
    if name in {"random", *task.actors}:
        return task.actor(name)
    return load_policy(find_artifact(Path(name), POLICY))
