"""Push-T, the whole loop: play, learn a world, train a policy inside it by first-order gradients, test it in reality.

The policy sees no demonstration and takes no step in reality before the test. The reward in imagination is analytic
(`PushTReward`, on predicted observations); reality is scored by coverage.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from diorama.core.canonical import canonical, to_json
from diorama.data import Dataset
from diorama.evaluate import evaluate
from diorama.learn.progress import Report
from diorama.policies import Actor
from diorama.recipes.collecting import collect
from diorama.recipes.config import LoopConfig
from diorama.recipes.loop import fit_world, imagined_from, train_policy
from diorama.recipes.presets import PUSH_T, policy_config, world_config
from diorama.recipes.push_t_reward import PushTReward
from diorama.recipes.push_t_task import push_t
from diorama.recipes.run_folder import RunFolder
from diorama.recipes.tasks import Task

PLAY = {"nano": 160, "xs": 300, "s": 300, "m": 1000, "l": 4000}
EPISODES = {"nano": 50, "xs": 100, "s": 200, "m": 200, "l": 500}
"""``size`` to episodes of play, and to test episodes of each policy."""
TEST_SEED = 200_000
"""First seed of the test episodes. The published ones, from 100000, were looked at while the recipe was tuned."""
TRAINED = "trained in imagination"
PUBLISHED = range(100_000, 100_050)
"""The published test seeds (Diffusion Policy, arXiv 2303.04137)."""


def push_t_config(size: str, seed: int) -> LoopConfig:
    """The preset of this size."""
    world = world_config(size, seed, structure=PUSH_T)
    policy = policy_config(size, seed, structure=PUSH_T)
    return LoopConfig("push-t", size, seed, (("play", PLAY[size]),), world, policy, EPISODES[size])


def run_push_t(
    config: LoopConfig, run: RunFolder, stage: Callable[[str, int, int], None], watch: Callable[[Report], None]
) -> None:
    """Everything but the report. ``stage(name, done, total)`` and ``watch`` are told where the job stands."""
    task, clock = push_t(), _Clock(run)
    dataset = clock("collect", lambda: _collect(task, config, run.path / "data", stage))
    model = clock("fit", lambda: fit_world(run, dataset, config.world, watch))
    world, observation = imagined_from(model, dataset, PushTReward())
    actor = clock("train", lambda: train_policy(run, world, observation, config.policy, watch))
    clock("evaluate", lambda: _evaluate(task, config, actor, run, stage))


def _collect(task: Task, config: LoopConfig, out: Path, stage: Callable[[str, int, int], None]) -> Dataset:
    for actor, episodes in config.collection:
        first = config.seed * 1_000_000
        seeds = range(first, first + episodes)
        dataset = collect(task, actor, seeds, out, progress=lambda done, all_: stage("collect", done, all_))
    return dataset


def _evaluate(
    task: Task, config: LoopConfig, actor: Actor, run: RunFolder, stage: Callable[[str, int, int], None]
) -> None:
    """The trained policy, the uniformly random one, the play and the scripted expert, on the same seeds."""
    if run.finished("evaluate"):
        return
    policies = {
        TRAINED: actor,
        "random": task.actor("random"),
        "scripted play (the data)": task.actor("play"),
        "scripted expert": task.actor("demonstrations"),
    }
    rows = [(name, policy, np.arange(TEST_SEED, TEST_SEED + config.episodes)) for name, policy in policies.items()]
    rows.append((f"{TRAINED}, published seeds", actor, np.asarray(PUBLISHED)))
    found = []
    for number, (name, policy, seeds) in enumerate(rows):
        stage("evaluate", number, len(rows))
        scores, _ = evaluate(policy, task.env(), seeds=seeds, length=task.length, metrics=task.metrics, name=name)
        found.append(scores)
    stage("evaluate", len(rows), len(rows))
    difference = to_json(found[0].versus(found[1], task.headline))
    record = {"policies": [scores.to_json() for scores in found], "difference": difference, "metric": task.headline}
    run.write("evaluation.json", canonical(record))
    run.finish("evaluate", {"policies": len(found), "episodes": config.episodes})


class _Clock:
    """Adds up the seconds of each stage over all attempts, in the run folder."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run

    def __call__(self, stage: str, work: Callable):
        begun = time.perf_counter()
        result = work()
        spent = self._run.finished("seconds") or {}
        self._run.finish("seconds", spent | {stage: spent.get(stage, 0.0) + time.perf_counter() - begun})
        return result
